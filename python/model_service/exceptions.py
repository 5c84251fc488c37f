# SPDX-License-Identifier: Apache-2.0
"""Every exception that users can meet, and how an error travels between processes.

The classes carry the module names of ``ray.exceptions`` and ``ray.serve.exceptions``, from where users import them.
A user's exception arrives at the caller as an instance of both :class:`RayTaskError` and its own class.
"""

from __future__ import annotations

import pickle
import traceback as traceback_module
from typing import Any


def _public(module: str):
    """Class decorator: show the class under the module that users import it from."""

    def name(cls):
        cls.__module__ = module
        return cls

    return name


_core = _public("ray.exceptions")
_serve = _public("ray.serve.exceptions")


@_core
class RayError(Exception):
    """Base of all errors that the runtime itself raises."""


@_core
class RayTaskError(RayError):
    """User code raised in another process. ``cause`` is the original exception, ``str()`` its remote traceback."""

    def __init__(
        self,
        function_name: str = "",
        traceback_str: str = "",
        cause: Any = None,
        proctitle: str | None = None,
        pid: int | None = None,
        ip: str | None = None,
        actor_repr: str | None = None,
        actor_id: str | None = None,
    ):
        # Not super(): where this is combined with a user's class, that class's constructor would come next.
        Exception.__init__(self, traceback_str)
        self.function_name = function_name
        self.traceback_str = traceback_str
        self.cause = cause
        self.proctitle = proctitle
        self.pid = pid
        self.ip = ip
        self.actor_repr = actor_repr

    def as_instanceof_cause(self) -> RayTaskError:
        """The same error as an instance of the cause's class too, where the two can be combined."""
        return both(self.cause, self.traceback_str, self.function_name)

    def __str__(self) -> str:
        return self.traceback_str or repr(self.cause)

    def __reduce__(self):
        return _rebuild_task_error, (self.cause, self.traceback_str, self.function_name)


@_core
class TaskCancelledError(RayError):
    """The work was cancelled before it ended."""

    def __init__(self, task_id: Any = None, error_message: str | None = None):
        super().__init__(error_message or "This task or its dependency was cancelled.")
        self.task_id = task_id


@_core
class GetTimeoutError(RayError, TimeoutError):
    """``ray.get`` waited longer than it was told to."""


@_core
class RaySystemError(RayError):
    """Something in the runtime failed that should not have."""


@_core
class RayActorError(RayError):
    """The process that should answer is gone or cannot be reached."""

    def __init__(self, cause: Any = None):
        super().__init__(
            str(cause) if cause else "The actor died unexpectedly before finishing this task."
        )


@_core
class ActorDiedError(RayActorError):
    """The process died while it worked on the call."""


@_core
class ActorUnavailableError(RayActorError):
    """The process cannot be reached now; the call may or may not have run."""


@_core
class WorkerCrashedError(RayError):
    """A worker process died."""


@_core
class ObjectLostError(RayError):
    """A value is gone with its owner."""


@_core
class ObjectStoreFullError(RayError):
    """There is no room for a value."""


@_core
class OutOfMemoryError(RayError):
    """A process was ended for lack of memory."""


@_core
class NodeDiedError(RayError):
    """A node is gone."""


@_core
class RuntimeEnvSetupError(RayError):
    """An application's environment could not be made."""


@_core
class ActorUnschedulableError(RayError):
    """No node has the resources asked for."""


@_core
class TaskUnschedulableError(RayError):
    """No node has the resources asked for."""


@_core
class ActorPlacementGroupRemoved(RayError):
    """The placement group is gone."""


@_core
class CrossLanguageError(RayError):
    """Kept for imports."""


@_core
class PendingCallsLimitExceeded(RayError):
    """Too many calls wait."""


@_serve
class RayServeException(Exception):
    """Base of errors that Serve raises."""


@_serve
class BackPressureError(RayServeException):
    """A queue is full. HTTP: 503 with ``message`` as the body."""

    def __init__(self, num_queued_requests: int = 0, max_queued_requests: int = 0):
        super().__init__(num_queued_requests, max_queued_requests)
        self.num_queued_requests = num_queued_requests
        self.max_queued_requests = max_queued_requests
        self._message = (
            f"Request dropped due to backpressure (num_queued_requests={num_queued_requests}, "
            f"max_queued_requests={max_queued_requests})."
        )

    def __str__(self) -> str:
        return self._message

    @property
    def message(self) -> str:
        return self._message


@_serve
class RequestCancelledError(RayServeException, TaskCancelledError):
    """The request was cancelled by its caller."""

    def __init__(self, request_id: str | None = None):
        Exception.__init__(self, request_id)
        self.task_id = None
        self._request_id = request_id

    def __str__(self) -> str:
        if self._request_id is None:
            return "Request was cancelled."
        return f"Request {self._request_id} was cancelled."


@_serve
class DeploymentUnavailableError(RayServeException):
    """The deployment failed to deploy. HTTP: 503 with ``message`` as the body."""

    def __init__(self, deployment_id: Any = None):
        super().__init__(deployment_id)
        self._deployment_id = deployment_id

    @property
    def message(self) -> str:
        return f"{self._deployment_id} is unavailable because it failed to deploy."

    def __str__(self) -> str:
        return self.message


@_serve
class gRPCStatusError(RayServeException):
    """An error with a gRPC status of the user's choice."""

    def __init__(
        self, original_exception: BaseException, code: Any = None, details: str | None = None
    ):
        super().__init__(original_exception, code, details)
        self.original_exception = original_exception
        self.grpc_code = code
        self.grpc_details = details


# --- both classes at once ------------------------------------------------------------------------------------------

_both_classes: dict[type, type] = {}


def _both_class(cause_class: type) -> type:
    """The class that derives from RayTaskError and ``cause_class``; made once for each cause class."""
    made = _both_classes.get(cause_class)
    if made is not None:
        return made

    def getattribute(self, name: str) -> Any:
        if name.startswith("__") or name == "cause":
            raise AttributeError(name)
        return getattr(self.cause, name)

    name = f"RayTaskError({cause_class.__name__})"
    members = {
        "__module__": "ray.exceptions",
        "__qualname__": name,
        "__init__": RayTaskError.__init__,
        "__str__": RayTaskError.__str__,
        "__repr__": lambda self: f"{name}({self.cause!r})",
        "__reduce__": RayTaskError.__reduce__,
        "__getattr__": getattribute,
    }
    made = type(name, (RayTaskError, cause_class), members)
    _both_classes[cause_class] = made
    return made


def both(cause: BaseException, traceback_text: str, function_name: str = "") -> RayTaskError:
    """An exception that is a RayTaskError and an instance of the class of ``cause``, with its attributes.

    A cause that came from further away already (a RayTaskError) is not wrapped twice: its own cause is taken. Where the
    class cannot be combined with another, the answer is a plain RayTaskError.
    """
    while isinstance(cause, RayTaskError) and isinstance(cause.cause, BaseException):
        cause = cause.cause
    if not isinstance(cause, BaseException):
        return RayTaskError(function_name, traceback_text, cause)
    try:
        cls = _both_class(type(cause))
        error = cls.__new__(cls)
        attributes = {
            k: v for k, v in getattr(cause, "__dict__", {}).items() if not k.startswith("__")
        }
        error.__dict__.update(attributes)
        RayTaskError.__init__(error, function_name, traceback_text, cause)
        error.args = cause.args
        return error
    except Exception:  # a class that refuses to be derived from, or whose layout cannot be combined
        return RayTaskError(function_name, traceback_text, cause)


def _rebuild_task_error(cause: Any, traceback_text: str, function_name: str) -> RayTaskError:
    return both(cause, traceback_text, function_name)


# --- between processes (docs/interfaces.md, "Python-error payload") --------------------------------------------------

#: Numbers of src/wire/errors.def.
(
    REFUSED,
    UNAVAILABLE,
    TIMEOUT,
    CANCELLED,
    DIED,
    UNREACHABLE,
    USER,
    PROTOCOL,
    NOT_FOUND,
    NOT_TAKEN,
) = range(1, 11)


def format_user_error(error: BaseException) -> str:
    """The traceback as text, without our own frames at its top."""
    frames = error.__traceback__
    while (
        frames is not None
        and frames.tb_next is not None
        and _is_ours(frames.tb_frame.f_code.co_filename)
    ):
        frames = frames.tb_next
    return "".join(traceback_module.format_exception(type(error), error, frames))


_OUR_FOLDER = __file__.rsplit("/", 1)[0] + "/"


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OUR_FOLDER)


def dump_error(error: BaseException) -> bytes:
    """What an ERROR message of kind USER carries: texts for everybody, the exception itself where it pickles."""
    from . import serialize

    text = format_user_error(error)
    inner = error
    while isinstance(inner, RayTaskError) and isinstance(inner.cause, BaseException):
        text = f"{inner.traceback_str}\n{text}" if inner.traceback_str not in text else text
        inner = inner.cause
    try:
        pickled: bytes | None = serialize.dumps(inner.with_traceback(None))
        pickle.loads(pickled)  # Many exceptions pickle but do not come back.
    except Exception:
        pickled = None
    return pickle.dumps(
        {
            "class": type(inner).__name__,
            "module": type(inner).__module__,
            "repr": repr(inner),
            "traceback": text,
            "exception": pickled,
        }
    )


def load_error(data: bytes, text: str, method: str = "") -> Exception:
    """The exception that a caller raises for an ERROR message of kind USER."""
    try:
        payload = pickle.loads(data)
    except Exception:
        return RayTaskError(
            method, text or "The callee failed and its error could not be read.", None
        )
    cause: Any = None
    if payload["exception"] is not None:
        try:
            cause = pickle.loads(payload["exception"])
        except Exception:
            cause = None
    if cause is None:
        return RayTaskError(method, payload["traceback"], RuntimeError(payload["repr"]))
    return both(cause, payload["traceback"], method)


def from_wire(
    kind: int, text: str, data: bytes, request_id: str | None, deployment: Any, method: str
) -> Exception:
    """The exception that a caller raises for an ERROR message of any kind."""
    if kind == USER:
        return load_error(data, text, method)
    if kind == REFUSED:
        return _backpressure(text)
    if kind == UNAVAILABLE:
        return DeploymentUnavailableError(deployment)
    if kind == TIMEOUT:
        return TimeoutError(text or "Request timed out.")
    if kind == CANCELLED:
        return RequestCancelledError(request_id)
    if kind == DIED:
        return ActorDiedError(text)
    if kind in (UNREACHABLE, NOT_TAKEN):
        return ActorUnavailableError(text)
    return RayServeException(text)


def _backpressure(text: str) -> BackPressureError:
    import re

    numbers = re.findall(r"=(-?\d+)", text)
    if len(numbers) == 2:
        return BackPressureError(int(numbers[0]), int(numbers[1]))
    error = BackPressureError()
    error._message = text or error._message
    return error
