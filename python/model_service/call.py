# SPDX-License-Identifier: Apache-2.0
"""One handle call under way, and the two ways in which calls travel.

A :class:`Call` is where an answer arrives and where whoever waits for it is woken. It knows nothing of pickling into
user values and nothing of sockets; it is used from any thread. A *transport* sends calls: :class:`LinkTransport`
through the extension's link, ``local.LocalTransport`` inside the process.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from . import exceptions
from .context import RequestContext


class Call:
    """A call's state: pending until finished, failed or cancelled; a streaming one gathers items on the way."""

    __slots__ = (
        "_lock",
        "_wakes",
        "data",
        "deployment",
        "done",
        "error",
        "items",
        "method",
        "on_cancel",
        "on_consumed",
        "parent",
        "request_id",
        "streaming",
    )

    def __init__(
        self,
        request_id: str,
        deployment: Any,
        method: str,
        streaming: bool,
        parent: RequestContext | None,
    ):
        self._lock = threading.Lock()
        self._wakes: list[Callable[[], None]] = []
        self.request_id = request_id
        self.deployment = deployment
        self.method = method
        self.streaming = streaming
        self.parent = parent
        self.data: Any = None  # a unary call's result, pickled
        self.error: BaseException | None = None
        self.items: deque = deque()  # a streaming call's results, each pickled
        self.done = False
        self.on_cancel: Callable[[], None] | None = None  # tells the transport
        self.on_consumed: Callable[[int], None] | None = (
            None  # gives the callee credit for so many bytes of items
        )
        if parent is not None:
            parent.adopt(self)

    # --- the transport's side ---

    def finish(self, data: Any) -> None:
        """The call ended well."""
        self._end(data, None)

    def fail(self, error: BaseException) -> None:
        """The call ended badly."""
        self._end(None, error)

    def fail_wire(self, kind: int, text: str, data: bytes) -> None:
        """The call ended badly; arguments as an ERROR message carries them."""
        self._end(
            None,
            exceptions.from_wire(kind, text, data, self.request_id, self.deployment, self.method),
        )

    def add_item(self, data: Any) -> None:
        """One more result of a streaming call."""
        with self._lock:
            if self.done:
                return
            self.items.append(data)
            wakes, self._wakes = self._wakes, []
        for wake in wakes:
            wake()

    def _end(self, data: Any, error: BaseException | None) -> None:
        with self._lock:
            if self.done:
                return
            self.data = data
            self.error = error
            self.done = True
            self.on_cancel = None
            wakes, self._wakes = self._wakes, []
        if self.parent is not None:
            self.parent.disown(self)
            self.parent = None
        for wake in wakes:
            wake()

    # --- the waiting side ---

    def on_change(self, wake: Callable[[], None]) -> bool:
        """Call ``wake`` once, when the call has ended or has one more item; from the thread in which that happens.

        Returns False, and does nothing, when there is something to take already.
        """
        with self._lock:
            if self.done or self.items:
                return False
            self._wakes.append(wake)
            return True

    def forget(self, wake: Callable[[], None]) -> None:
        """Take ``on_change`` back."""
        with self._lock:
            if wake in self._wakes:
                self._wakes.remove(wake)

    def take_item(self) -> Any:
        """The oldest item, pickled; IndexError when there is none."""
        item = self.items.popleft()
        if self.on_consumed is not None and not self.done:
            self.on_consumed(len(item))
        return item

    def cancel(self) -> None:
        """The caller no longer wants it: it fails at once, and the callee is told. No effect on a call that ended."""
        with self._lock:
            if self.done:
                return
            tell = self.on_cancel
        if tell is not None:
            tell()
        self.fail(exceptions.RequestCancelledError(self.request_id))


class Transport(Protocol):
    """How calls reach deployments."""

    def send(
        self, call: Call, app: str, args: bytes, route: str, model_id: str, timeout_ms: int
    ) -> None:
        """Send a call whose ``method`` and ``streaming`` are set. Does not block; failures go to ``call.fail``."""

    def wait(self, event: threading.Event, timeout_s: float | None) -> bool:
        """Block this thread until the event is set; False: the time was over first."""

    def lookup(self, app: str) -> dict | None:
        """``{"ingress", "deployments"}`` of an application, None when there is none."""


class LinkTransport:
    """Calls through a link of the extension (docs/interfaces.md §8).

    Events of our own calls come back through :meth:`dispatch`, called by whoever drains the link.
    """

    def __init__(self, link: Any):
        self._link = link
        self._lock = threading.Lock()
        self._calls: dict[int, Call] = {}
        self.pump: Callable[[float], None] = lambda timeout_s: (
            None
        )  # for waiting threads: see wait()

    def send(
        self, call: Call, app: str, args: bytes, route: str, model_id: str, timeout_ms: int
    ) -> None:
        deployment = f"{app}#{call.deployment.name}"
        with self._lock:
            if call.done:  # cancelled before it was sent: it never reaches a replica
                return
            try:
                cid = self._link.call(
                    deployment,
                    call.method,
                    args,
                    request_id=call.request_id,
                    route=route,
                    multiplexed_model_id=model_id,
                    streaming=call.streaming,
                    timeout_ms=timeout_ms,
                )
            except Exception as e:
                call.fail(exceptions.ActorUnavailableError(e))
                return
            self._calls[cid] = call
            call.on_cancel = lambda: self._link.cancel(cid)
            if call.streaming:
                call.on_consumed = lambda size: self._link.read(cid, size)

    def dispatch(self, event: tuple) -> None:
        """Take one "item", "done", "error" or "started" event."""
        kind, cid = event[0], event[1]
        if kind == "started":
            return
        with self._lock:
            call = self._calls.get(cid) if kind == "item" else self._calls.pop(cid, None)
        if call is None:
            return
        if kind == "item":
            call.add_item(event[2])
        elif kind == "done":
            call.finish(event[2])
        else:
            call.fail_wire(event[2], event[3], event[4])

    def wait(self, event: threading.Event, timeout_s: float | None) -> bool:
        return event.wait(timeout_s)

    def lookup(self, app: str) -> dict | None:
        import json

        text = self._link.lookup(app)
        return None if text is None else json.loads(text)

    def fail_all(self, error: BaseException) -> None:
        """The link is closed: nothing more will come."""
        with self._lock:
            calls, self._calls = self._calls, {}
        for call in calls.values():
            call.fail(error)


_transport: Any | None = None
_make_transport: Callable[[], Any] | None = None


def set_transport(transport: Any) -> None:
    """Say how this process's calls travel; None: not connected."""
    global _transport
    _transport = transport


def set_connector(make: Callable[[], Any]) -> None:
    """Say what connects a driver when its first call is made."""
    global _make_transport
    _make_transport = make


def get_transport() -> Any:
    """How this process's calls travel. RayServeException when it is not connected and cannot be."""
    if _transport is not None:
        return _transport
    if _make_transport is None:
        raise exceptions.RayServeException("There is no Serve instance running on this cluster.")
    return _make_transport()
