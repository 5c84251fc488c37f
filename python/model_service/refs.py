# SPDX-License-Identifier: Apache-2.0
"""Object references: ``ray.put``, ``ray.get``, ``ray.wait`` for values that live in this process.

A reference holds its value, or the response that will bring it.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Union

from . import serialize
from .exceptions import GetTimeoutError

_NOTHING = object()


class ObjectRef:
    """A value that is here, or will be. Awaitable; as an argument of a handle call it is replaced by its value."""

    _is_object_ref = True

    def __init__(self, value: Any = _NOTHING, response: Any = None):
        self._value = value
        self._response = response
        self._id = uuid.uuid4().hex

    @classmethod
    def from_response(cls, response: Any) -> ObjectRef:
        """The result of a handle call."""
        return cls(response=response)

    def hex(self) -> str:
        return self._id

    def __await__(self):
        if self._response is not None:
            return (yield from self._response.__await__())
        yield from asyncio.sleep(0).__await__()
        return self._value

    def _on_result(self, wake: Callable[[], None]) -> bool:
        return self._response is not None and self._response._on_result(wake)

    def _take_result(self) -> Any:
        return self._value if self._response is None else self._response._take_result()

    def _wait(self, timeout_s: float | None) -> bool:
        if self._response is None:
            return True
        event = threading.Event()
        return not self._on_result(event.set) or self._response._transport.wait(event, timeout_s)

    def __reduce__(self):
        """By value: the work is waited for."""
        self._wait(None)
        return ObjectRef, (self._take_result(),)

    def future(self) -> Any:
        """A concurrent.futures.Future of the value."""
        from concurrent.futures import Future

        future: Future = Future()

        def arrive() -> None:
            try:
                future.set_result(self._take_result())
            except BaseException as e:
                future.set_exception(e)

        if not self._on_result(arrive):
            arrive()
        return future

    def is_ready(self) -> bool:
        """Whether the value, or its error, is here."""
        return self._response is None or self._response._call.done

    def __repr__(self) -> str:
        return f"ObjectRef({self._id})"


def put(value: Any) -> ObjectRef:
    """A reference to a copy of the value."""
    return ObjectRef(serialize.loads(serialize.dumps(value)))


def get(refs: Union[ObjectRef, list], *, timeout: float | None = None) -> Any:
    """The value of a reference, or the values of a list of them. GetTimeoutError; raises what the work raised."""
    if isinstance(refs, (list, tuple)):
        deadline = None if timeout is None else time.monotonic() + timeout
        return [
            get(ref, timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            for ref in refs
        ]
    if not isinstance(refs, ObjectRef):
        raise ValueError(
            f"Invalid type of object refs, {type(refs)}, is given. 'object_refs' must either be a list of object refs or a single object ref."
        )
    if not refs._wait(timeout):
        raise GetTimeoutError("Get timed out: some object(s) not ready.")
    return refs._take_result()


def wait(
    refs: list, *, num_returns: int = 1, timeout: float | None = None, fetch_local: bool = True
) -> tuple[list, list]:
    """Split references into those that have values and the others, once ``num_returns`` have."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        ready = [ref for ref in refs if ref.is_ready()]
        if len(ready) >= num_returns or (deadline is not None and time.monotonic() >= deadline):
            ready = ready[:num_returns]
            return ready, [ref for ref in refs if ref not in ready]
        time.sleep(0.005)


class ObjectRefGenerator:
    """A type for annotations: streams of references are not supported."""
