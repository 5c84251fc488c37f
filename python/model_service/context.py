# SPDX-License-Identifier: Apache-2.0
"""What code can ask about where it runs: the request it serves, the replica it lives in."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .exceptions import RayServeException

NOT_IN_REPLICA = (
    "`serve.get_replica_context()` may only be called from within a Ray Serve deployment."
)


class RequestContext:
    """The request that the current task or thread serves.

    ``children`` are the handle calls made for it that have not ended: they are cancelled with it.
    """

    __slots__ = (
        "request_id",
        "app_name",
        "route",
        "multiplexed_model_id",
        "timeout_ms",
        "is_http_request",
        "_internal_request_id",
        "grpc_context",
        "cancel_on_parent_request_cancel",
        "children",
    )

    def __init__(
        self,
        request_id: str = "",
        app_name: str = "",
        route: str = "",
        multiplexed_model_id: str = "",
        timeout_ms: int = 0,
        is_http_request: bool = False,
        _internal_request_id: str = "",
        grpc_context: Any = None,
        cancel_on_parent_request_cancel: bool = False,
    ):
        self.request_id = request_id
        self.app_name = app_name
        self.route = route
        self.multiplexed_model_id = multiplexed_model_id
        self.timeout_ms = timeout_ms
        self.is_http_request = is_http_request
        self._internal_request_id = _internal_request_id
        self.grpc_context = grpc_context
        self.cancel_on_parent_request_cancel = cancel_on_parent_request_cancel
        self.children: set | None = None

    def adopt(self, call: Any) -> None:
        """A handle call was made for this request."""
        if self.children is None:
            self.children = set()
        self.children.add(call)

    def disown(self, call: Any) -> None:
        """The handle call has ended."""
        if self.children is not None:
            self.children.discard(call)

    def cancel_children(self) -> None:
        """Cancel every handle call that was made for this request and still runs."""
        if self.children:
            for call in list(self.children):
                call.cancel()

    def __repr__(self) -> str:
        return f"RequestContext(request_id={self.request_id!r}, app_name={self.app_name!r}, route={self.route!r})"


#: Empty outside a request, so that reading a field never fails.
NO_REQUEST = RequestContext()

request_var: contextvars.ContextVar[RequestContext | None] = contextvars.ContextVar(
    "Serve internal request context variable", default=None
)
#: The contexts of a whole batch, inside a ``@serve.batch`` function.
batch_var: contextvars.ContextVar[list | None] = contextvars.ContextVar(
    "Serve internal batching request context variable", default=None
)


def get_request_context() -> RequestContext:
    """The request being served here, or an empty one."""
    return request_var.get() or NO_REQUEST


def get_batch_request_context() -> list:
    """The requests of the batch being served here; empty outside a batch function."""
    return batch_var.get() or []


def set_request_context(
    route: str = "",
    request_id: str = "",
    _internal_request_id: str = "",
    app_name: str = "",
    multiplexed_model_id: str = "",
) -> None:
    """Change the given fields of the current context (a copy is made); used by tests of users' code."""
    now = get_request_context()
    request_var.set(
        RequestContext(
            request_id=request_id or now.request_id,
            app_name=app_name or now.app_name,
            route=route or now.route,
            multiplexed_model_id=multiplexed_model_id or now.multiplexed_model_id,
            _internal_request_id=_internal_request_id or now._internal_request_id,
        )
    )


@dataclass(frozen=True)
class DeploymentID:
    """A deployment's name and its application's."""

    name: str
    app_name: str = "default"

    def to_replica_actor_class_name(self) -> str:
        return f"ServeReplica:{self.app_name}:{self.name}"

    def __str__(self) -> str:
        return f"Deployment(name='{self.name}', app='{self.app_name}')"

    __repr__ = __str__


REPLICA_ID_FULL_ID_STR_PREFIX = "SERVE_REPLICA::"


@dataclass(frozen=True)
class ReplicaID:
    """A replica's random id and its deployment."""

    unique_id: str
    deployment_id: DeploymentID

    @classmethod
    def from_full_id_str(cls, text: str) -> ReplicaID:
        """Parse ``SERVE_REPLICA::app#deployment#id``. ValueError when it is not one."""
        if not text.startswith(REPLICA_ID_FULL_ID_STR_PREFIX):
            raise ValueError(f"Not a replica id: {text!r}.")
        parts = text[len(REPLICA_ID_FULL_ID_STR_PREFIX) :].split("#")
        if len(parts) == 3:
            return cls(parts[2], DeploymentID(parts[1], parts[0]))
        if len(parts) == 2:
            return cls(parts[1], DeploymentID(parts[0], ""))
        raise ValueError(f"Not a replica id: {text!r}.")

    def to_full_id_str(self) -> str:
        owner = self.deployment_id
        inner = f"{owner.name}#{self.unique_id}"
        return REPLICA_ID_FULL_ID_STR_PREFIX + (
            f"{owner.app_name}#{inner}" if owner.app_name else inner
        )

    def __str__(self) -> str:
        owner = self.deployment_id
        return f"Replica(id='{self.unique_id}', deployment='{owner.name}', app='{owner.app_name}')"

    __repr__ = __str__


@dataclass
class ReplicaContext:
    """What ``serve.get_replica_context()`` gives: who this replica is."""

    replica_id: ReplicaID
    servable_object: Any = None
    _deployment_config: Any = None
    rank: Any = 0
    world_size: int = 1
    gang_context: Any = None
    _handle_registration_callback: Callable | None = field(default=None, repr=False)

    @property
    def app_name(self) -> str:
        return self.replica_id.deployment_id.app_name

    @property
    def deployment(self) -> str:
        return self.replica_id.deployment_id.name

    @property
    def replica_tag(self) -> str:
        return self.replica_id.unique_id


# One replica is one process. Local testing mode has several in one: there each deployment's loop thread sets the
# variable, and tasks and threads started from it inherit it.
_process_context: ReplicaContext | None = None
_local_context: contextvars.ContextVar[ReplicaContext | None] = contextvars.ContextVar(
    "Serve replica of this loop", default=None
)


def get_internal_replica_context() -> ReplicaContext | None:
    """The replica this code runs in, or None."""
    return _local_context.get() or _process_context


def set_replica_context(context: ReplicaContext | None, local: bool = False) -> None:
    """Say that the process (or, with ``local``, the current context) is a replica."""
    global _process_context
    if local:
        _local_context.set(context)
    else:
        _process_context = context


def _set_internal_replica_context(
    *,
    replica_id: ReplicaID,
    servable_object: Any,
    _deployment_config: Any = None,
    rank: Any = 0,
    world_size: int = 1,
    **_,
) -> None:
    set_replica_context(
        ReplicaContext(replica_id, servable_object, _deployment_config, rank, world_size)
    )


def get_replica_context() -> ReplicaContext:
    """The replica this code runs in. RayServeException outside one."""
    context = get_internal_replica_context()
    if context is None:
        raise RayServeException(NOT_IN_REPLICA)
    return context


class GangContext:
    """Fields of a gang; there are none here."""

    def __init__(self, **fields: Any):
        self.__dict__.update(fields)


def get_replica_rank() -> Any:
    """This replica's place among its deployment's."""
    return get_replica_context().rank


def get_world_size() -> int:
    """How many replicas the deployment has."""
    return get_replica_context().world_size
