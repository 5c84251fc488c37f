# SPDX-License-Identifier: Apache-2.0
"""Handles: how Python code calls a deployment, and the responses it gets."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar, Union

from . import call as call_module
from . import serialize
from .call import Call
from .context import DeploymentID, get_internal_replica_context, request_var
from .exceptions import RayServeException, RayTaskError, RequestCancelledError
from .options import DEFAULT
from .private import DeploymentHandleSource

T = TypeVar("T")
_running_loop = asyncio._get_running_loop

IN_LOOP = (
    "Sync methods should not be called from within an `asyncio` event loop. Use `await response` or "
    "`async for` instead of `response.result()` or a plain `for`."
)
NOT_SERIALIZABLE = (
    "`DeploymentResponse` is not serializable. If you are passing the `DeploymentResponse` in a nested object (e.g., "
    "a list or dictionary) to a downstream deployment handle call, that is no longer supported. Please only pass "
    "`DeploymentResponse` objects as top level arguments."
)


def make_request_id() -> str:
    """A random UUID (version 4) as text, without the system call that uuid.uuid4() makes."""
    n = random.getrandbits(128) & ~(0xF000 << 64) & ~(0xC000 << 48) | (4 << 76) | (8 << 60)
    text = f"{n:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


@dataclass(frozen=True)
class DynamicHandleOptions:
    """What ``handle.options`` changes."""

    method_name: str = "__call__"
    multiplexed_model_id: str = ""
    stream: bool = False
    _by_reference: bool = True
    request_serialization: str = "cloudpickle"
    response_serialization: str = "cloudpickle"

    def copy_and_update(self, **changes: Any) -> DynamicHandleOptions:
        return replace(self, **{k: v for k, v in changes.items() if v is not DEFAULT.VALUE})


@dataclass(frozen=True)
class InitHandleOptions:
    """What ``handle._init`` sets before the first call."""

    _prefer_local_routing: bool = False
    _source: DeploymentHandleSource = DeploymentHandleSource.UNKNOWN

    @classmethod
    def create(cls, **options: Any) -> InitHandleOptions:
        if get_internal_replica_context() is not None:
            options.setdefault("_source", DeploymentHandleSource.REPLICA)
        return cls(**{k: v for k, v in options.items() if v is not DEFAULT.VALUE})


class _Shared:
    """What a handle and the copies that ``options`` makes have in common."""

    __slots__ = ("counter", "fixed_transport", "handle_id", "init_options", "transport")

    def __init__(self) -> None:
        self.handle_id = f"{random.getrandbits(32):08x}"
        self.init_options: InitHandleOptions | None = None
        self.counter: Any = None
        self.transport: Any = None  # of the process, when it was last asked
        self.fixed_transport: Any = None  # of a handle of local testing mode


class DeploymentHandle(Generic[T]):
    """Calls a deployment. Picklable, usable from any thread or loop; ``handle.m`` is ``handle.options(method_name="m")``."""

    def __init__(
        self,
        deployment_name: str,
        app_name: str,
        *,
        init_options: InitHandleOptions | None = None,
        handle_options: DynamicHandleOptions | None = None,
        _shared: _Shared | None = None,
    ):
        self.deployment_id = DeploymentID(deployment_name, app_name)
        self.handle_options = handle_options or DynamicHandleOptions()
        self._shared = _shared or _Shared()
        if init_options is not None:
            self._shared.init_options = init_options
        self._methods: dict[str, DeploymentHandle] = {}

    # --- who it is ---

    @property
    def deployment_name(self) -> str:
        return self.deployment_id.name

    @property
    def app_name(self) -> str:
        return self.deployment_id.app_name

    @property
    def handle_id(self) -> str:
        return self._shared.handle_id

    @property
    def init_options(self) -> InitHandleOptions | None:
        return self._shared.init_options

    @property
    def is_initialized(self) -> bool:
        return self._shared.init_options is not None

    @property
    def request_counter(self) -> Any:
        """Counts the calls of this handle and its copies."""
        if self._shared.counter is None:
            from .metrics import Counter

            self._shared.counter = Counter(
                "serve_handle_request_counter",
                description="The number of handle.remote() calls that have been made on this handle.",
                tag_keys=("handle", "deployment", "route", "application"),
            )
        return self._shared.counter

    @property
    def _router(self) -> Any:
        return self._shared.transport if self.is_initialized else None

    def running_replicas_populated(self) -> bool:
        return self.is_initialized

    def __repr__(self) -> str:
        return f"DeploymentHandle(deployment='{self.deployment_name}')"

    def __reduce__(self):
        return _rebuild_handle, (self.deployment_name, self.app_name, self.handle_options)

    # --- changing it ---

    def _init(self, **options: Any) -> None:
        """Set what cannot change later. RuntimeError the second time, or after the first call."""
        if self.is_initialized:
            raise RuntimeError(
                "Handle has already been initialized. Note that a handle is implicitly initialized when you call "
                "`.options()` or `.remote()`. You either tried to call `._init()` twice or called `._init()` after "
                "calling `.options()` or `.remote()`. If you want to modify the init options, please do so before "
                "calling `.options()` or `.remote()`. This handle was initialized with "
                f"{self._shared.init_options}."
            )
        self._shared.init_options = InitHandleOptions.create(**options)

    def _ensure_initialized(self) -> None:
        if self._shared.init_options is None:
            self._shared.init_options = InitHandleOptions.create()

    def options(
        self,
        *,
        method_name: Union[str, DEFAULT] = DEFAULT.VALUE,
        multiplexed_model_id: Union[str, DEFAULT] = DEFAULT.VALUE,
        stream: Union[bool, DEFAULT] = DEFAULT.VALUE,
        use_new_handle_api: Union[bool, DEFAULT] = DEFAULT.VALUE,
        _prefer_local_routing: Union[bool, DEFAULT] = DEFAULT.VALUE,
        _by_reference: Union[bool, DEFAULT] = DEFAULT.VALUE,
        request_serialization: Union[str, DEFAULT] = DEFAULT.VALUE,
        response_serialization: Union[str, DEFAULT] = DEFAULT.VALUE,
    ) -> DeploymentHandle[T]:
        """A copy with these options; this handle stays as it is."""
        if use_new_handle_api is not DEFAULT.VALUE:
            _warn("Setting `use_new_handle_api` no longer has any effect.")
        if _prefer_local_routing is not DEFAULT.VALUE:
            if self.is_initialized:
                _warn(
                    "`_prefer_local_routing` can only be set before the handle's first use; it is ignored."
                )
            else:
                self._init(_prefer_local_routing=_prefer_local_routing)
        self._ensure_initialized()
        changed = self.handle_options.copy_and_update(
            method_name=method_name,
            multiplexed_model_id=multiplexed_model_id,
            stream=stream,
            _by_reference=_by_reference,
            request_serialization=request_serialization,
            response_serialization=response_serialization,
        )
        return DeploymentHandle(
            self.deployment_name, self.app_name, handle_options=changed, _shared=self._shared
        )

    def __getattr__(self, name: str) -> DeploymentHandle[T]:
        if name.startswith("__") or name in ("_shared", "_methods"):
            raise AttributeError(name)
        method = self._methods.get(name)
        if method is None:
            method = self._methods[name] = self.options(method_name=name)
        return method

    # --- calling ---

    def remote(
        self, *args: Any, **kwargs: Any
    ) -> Union[DeploymentResponse, DeploymentResponseGenerator]:
        """Call the deployment now; the answer comes with the response that is returned.

        Arguments are copied by pickling. A DeploymentResponse among them is replaced by its value first, without
        blocking the caller. Raises what pickling raises.
        """
        self._ensure_initialized()
        options = self.handle_options
        shared = self._shared
        transport = shared.fixed_transport
        if transport is None:
            transport = shared.transport
            if transport is None or transport is not call_module._transport:
                transport = shared.transport = call_module.get_transport()
        parent = request_var.get()
        request_id = (
            parent.request_id if parent is not None and parent.request_id else make_request_id()
        )
        call = Call(request_id, self.deployment_id, options.method_name, options.stream, parent)
        route = parent.route if parent is not None else ""
        send = partial(
            transport.send,
            call,
            self.app_name,
            route=route,
            model_id=options.multiplexed_model_id,
            timeout_ms=0,
        )
        try:
            _send_when_resolved(call, send, args, kwargs)
        except BaseException:
            call.cancel()
            raise
        if shared.counter is not None:
            shared.counter.inc(
                tags={
                    "handle": shared.handle_id,
                    "deployment": self.deployment_name,
                    "route": route,
                    "application": self.app_name,
                }
            )
        if options.stream:
            return DeploymentResponseGenerator(call, transport)
        return DeploymentResponse(call, transport)

    def shutdown(self) -> None:
        """Kept for callers: a handle holds nothing that must be closed."""

    async def shutdown_async(self) -> None:
        """Kept for callers: a handle holds nothing that must be closed."""

    def __class_getitem__(cls, item: Any) -> Any:
        return super().__class_getitem__(item)


def _rebuild_handle(deployment: str, app: str, options: DynamicHandleOptions) -> DeploymentHandle:
    return DeploymentHandle(deployment, app, handle_options=options)


def _warn(text: str) -> None:
    import logging

    logging.getLogger("ray.serve").warning(text)


def _send_when_resolved(call: Call, send: Callable, args: tuple, kwargs: dict) -> None:
    """Pickle and send the arguments; when some are responses, as soon as all of those have values."""
    pending = [value for value in (*args, *kwargs.values()) if isinstance(value, _Response)]
    references = [value for value in (*args, *kwargs.values()) if _is_object_ref(value)]
    if not pending and not references:
        send(serialize.dumps((args, kwargs)))
        return
    for value in pending:
        if isinstance(value, DeploymentResponseGenerator):
            raise RuntimeError(
                "Streaming deployment handle results cannot be passed to downstream handle calls. If you have a "
                "use case requiring this feature, please file a feature request."
            )
    # Pickled now, so that what the caller changes later does not travel; the values fill the gaps when they are there.
    plain = serialize.dumps(
        (
            [
                None if isinstance(value, _Response) or _is_object_ref(value) else value
                for value in args
            ],
            {
                k: None if isinstance(v, _Response) or _is_object_ref(v) else v
                for k, v in kwargs.items()
            },
        )
    )
    gaps = [(i, v) for i, v in enumerate(args) if isinstance(v, _Response) or _is_object_ref(v)]
    gaps += [(k, v) for k, v in kwargs.items() if isinstance(v, _Response) or _is_object_ref(v)]
    left = len(gaps)
    lock = threading.Lock()

    def one_is_there() -> None:
        nonlocal left
        with lock:
            left -= 1
            if left:
                return
        if call.done:
            return
        try:
            full_args, full_kwargs = serialize.loads(plain)
            for key, source in gaps:
                target = full_args if isinstance(key, int) else full_kwargs
                target[key] = source._take_result()
            send(serialize.dumps((tuple(full_args), full_kwargs)))
        except BaseException as e:
            call.fail(e)

    for _, source in gaps:
        if not source._on_result(one_is_there):
            one_is_there()


def _is_object_ref(value: Any) -> bool:
    return getattr(type(value), "_is_object_ref", False)


class _Response:
    """What unary and streaming responses have in common."""

    def __init__(self, call: Call, transport: Any):
        self._call = call
        self._transport = transport
        self._cancelled = False

    @property
    def request_id(self) -> str:
        """The id of the request that this call belongs to."""
        return self._call.request_id

    def cancel(self) -> None:
        """Ask that the call not go on; at its next await the callee gets CancelledError. Idempotent."""
        self._cancelled = True
        self._call.cancel()

    def cancelled(self) -> bool:
        """Whether cancel() was called."""
        return self._cancelled

    def __reduce__(self):
        raise RayServeException(NOT_SERIALIZABLE)

    __reduce_ex__ = lambda self, protocol: self.__reduce__()  # noqa: E731

    async def _change(self) -> None:
        """Wait on the running loop until the call has ended or has an item."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        wake = partial(_wake, loop, future)
        if not self._call.on_change(wake):
            return
        try:
            await future
        finally:
            if not future.done() or future.cancelled():
                self._call.forget(wake)

    def _block(self, timeout_s: float | None) -> None:
        """Wait in this thread until the call has ended or has an item. TimeoutError."""
        event = threading.Event()
        if self._call.on_change(event.set) and not self._transport.wait(event, timeout_s):
            self._call.forget(event.set)
            raise TimeoutError("Timed out waiting for the result of the deployment call.")

    def _error(self) -> BaseException:
        """The call's error, as it is to be raised now."""
        return self._call.error.with_traceback(None)


def _wake(loop: asyncio.AbstractEventLoop, future: asyncio.Future) -> None:
    if _running_loop() is loop:
        _set_future(future)
        return
    try:
        loop.call_soon_threadsafe(_set_future, future)
    except RuntimeError:  # the waiter's loop is closed
        pass


def _set_future(future: asyncio.Future) -> None:
    if not future.done():
        future.set_result(None)


def _check_not_in_loop() -> None:
    if _running_loop() is not None:
        raise RuntimeError(IN_LOOP)


_NOTHING = object()


class DeploymentResponse(_Response):
    """The answer of a unary call: ``await`` it, or ``result()`` outside of a loop; both as often as wanted."""

    def __init__(self, call: Call, transport: Any):
        super().__init__(call, transport)
        self._value: Any = _NOTHING

    def __await__(self):
        if not self._call.done:
            yield from self._change().__await__()
        return self._take_result()

    def result(self, *, timeout_s: float | None = None, _skip_asyncio_check: bool = False) -> Any:
        """The call's result. TimeoutError after ``timeout_s``; RuntimeError inside a running loop."""
        if not _skip_asyncio_check:
            _check_not_in_loop()
        if not self._call.done:
            self._block(timeout_s)
        return self._take_result()

    def _on_result(self, wake: Callable[[], None]) -> bool:
        return self._call.on_change(wake)

    def _take_result(self) -> Any:
        if self._call.error is not None:
            raise self._error()
        if self._value is _NOTHING:
            self._value = serialize.loads(self._call.data)
            self._call.data = None
        return self._value

    async def _to_object_ref(self) -> Any:
        """The call's result as an object reference."""
        return self._to_object_ref_sync()

    def _to_object_ref_sync(self, _skip_asyncio_check: bool = False) -> Any:
        from .refs import ObjectRef

        return ObjectRef.from_response(self)


class DeploymentResponseGenerator(_Response):
    """The answers of a streaming call: ``async for`` inside a loop, ``for`` outside of one."""

    def __await__(self):
        raise TypeError(
            "`DeploymentResponseGenerator` cannot be awaited directly. Use `async for` or `__anext__` instead."
        )

    def result(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "`DeploymentResponseGenerator` doesn't support `.result()`. Use iteration instead: `for item in response`."
        )

    def __aiter__(self) -> DeploymentResponseGenerator:
        return self

    async def __anext__(self) -> Any:
        while True:
            item = self._take_item(StopAsyncIteration)
            if item is not _NOTHING:
                return item
            await self._change()

    def __iter__(self) -> DeploymentResponseGenerator:
        return self

    def __next__(self) -> Any:
        _check_not_in_loop()
        while True:
            item = self._take_item(StopIteration)
            if item is not _NOTHING:
                return item
            self._block(None)

    def _take_item(self, end: type) -> Any:
        call = self._call
        if self._cancelled:
            raise RequestCancelledError(call.request_id)
        if call.items:
            return serialize.loads(call.take_item())
        if not call.done:
            return _NOTHING
        if call.error is not None:
            raise self._error()
        raise end

    async def _to_object_ref_gen(self) -> Any:
        return self._to_object_ref_gen_sync()

    def _to_object_ref_gen_sync(self, _skip_asyncio_check: bool = False) -> Any:
        raise RuntimeError("Streams of object references are not supported.")


def default_app_name() -> str | None:
    """The application of the replica this code runs in; None outside one."""
    context = get_internal_replica_context()
    return None if context is None else context.app_name


__all__ = [
    "DeploymentHandle",
    "DeploymentResponse",
    "DeploymentResponseGenerator",
    "DynamicHandleOptions",
    "InitHandleOptions",
    "RayTaskError",
    "make_request_id",
]
