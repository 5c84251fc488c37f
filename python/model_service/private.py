# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for names of Ray's insides that programs import all the same (contracts, ray-python-api §6)."""

from __future__ import annotations

import asyncio
import os
import random
import string
from collections.abc import Callable
from enum import StrEnum
from typing import Any


def get_or_create_event_loop() -> asyncio.AbstractEventLoop:
    """The running loop, or this thread's, made when it has none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        try:
            return asyncio.get_event_loop_policy().get_event_loop()
        except RuntimeError:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            return loop


def get_random_string(length: int = 8) -> str:
    """Random lower-case letters and digits."""
    return "".join(random.choices(string.ascii_lowercase + string.digits, k=length))


def list_tasks(*_: Any, **__: Any) -> list:
    """No tasks are kept."""
    return []


list_actors = list_nodes = list_tasks


class RequestProtocol(StrEnum):
    """How a request came."""

    UNDEFINED = "UNDEFINED"
    HTTP = "HTTP"
    GRPC = "gRPC"


class DeploymentHandleSource(StrEnum):
    """Who made a handle."""

    UNKNOWN = "UNKNOWN"
    PROXY = "PROXY"
    REPLICA = "REPLICA"


# --- environment variables --------------------------------------------------------------------------------------------


def _validate_name(name: str) -> None:
    if not name.startswith("RAY_SERVE_"):
        raise ValueError(
            f"Got unexpected environment variable name `{name}`. Names must start with `RAY_SERVE_`."
        )


def _get(
    name: str, default: Any, convert: Callable, check: Callable | None = None, what: str = ""
) -> Any:
    _validate_name(name)
    text = os.environ.get(name)
    if text is None:
        return default
    try:
        value = convert(text)
    except ValueError as e:
        raise ValueError(
            f"Environment variable `{name}` value `{text}` cannot be converted to `{convert.__name__}`!"
        ) from e
    if check is not None and not check(value):
        raise ValueError(
            f"Got unexpected value `{value}` for `{name}` environment variable! Expected {what} value."
        )
    return value


def get_env_int(name: str, default: Any) -> Any:
    return _get(name, default, int)


def get_env_int_positive(name: str, default: Any) -> Any:
    return _get(name, default, int, lambda n: n > 0, "positive")


def get_env_int_non_negative(name: str, default: Any) -> Any:
    return _get(name, default, int, lambda n: n >= 0, "non negative")


def get_env_float(name: str, default: Any) -> Any:
    return _get(name, default, float)


def get_env_float_positive(name: str, default: Any) -> Any:
    return _get(name, default, float, lambda n: n > 0, "positive")


def get_env_float_non_negative(name: str, default: Any) -> Any:
    return _get(name, default, float, lambda n: n >= 0, "non negative")


def get_env_str(name: str, default: Any) -> Any:
    return _get(name, default, str)


def get_env_bool(name: str, default: str) -> bool:
    _validate_name(name)
    return os.environ.get(name, default) == "1"


def str_to_list(text: str) -> list[str]:
    """Comma-separated words."""
    return [word.strip() for word in text.split(",") if word.strip()]


def parse_latency_buckets(text: str, default: list[float]) -> list[float]:
    """Comma-separated, rising, positive numbers. ValueError."""
    if not text or not text.strip():
        return default
    try:
        buckets = [float(word) for word in text.split(",")]
    except ValueError as e:
        raise ValueError(f"Invalid format for latency buckets: {text!r}.") from e
    if any(b <= 0 for b in buckets) or any(
        a >= b for a, b in zip(buckets, buckets[1:], strict=False)
    ):
        raise ValueError(f"Latency buckets must be positive and rise: {text!r}.")
    return buckets


# --- machinery that is C here: names that exist so that programs import, and say so when they are used ----------------


class _NotHere:
    """A part of Ray Serve's insides that this system does without."""

    def __init__(self, *_: Any, **__: Any):
        raise NotImplementedError(
            f"{type(self).__name__} is internal to Ray Serve; Model Service does without it."
        )


class RequestRouter:
    """Base of custom request routers (accepted; the built-in router decides)."""

    def __init__(self, *args: Any, **kwargs: Any):
        self.curr_replicas: dict = {}

    def initialize_state(self, **kwargs: Any) -> None:
        """For subclasses."""

    async def choose_replicas(self, candidate_replicas: list, pending_request: Any = None) -> list:
        """For subclasses: ranked groups of replicas."""
        return [candidate_replicas]

    def on_request_routed(self, pending_request: Any, replica_id: Any, result: Any) -> None:
        """For subclasses."""


class PowerOfTwoChoicesRequestRouter(RequestRouter):
    """The default router's name."""


class FIFOMixin:
    """For the bases of custom routers."""


class MultiplexMixin:
    """For the bases of custom routers."""


class LocalityMixin:
    """For the bases of custom routers."""


class PendingRequest:
    """A request that waits for a replica."""

    def __init__(self, args: Any = (), kwargs: Any = None, metadata: Any = None, **fields: Any):
        self.args, self.kwargs, self.metadata = args, kwargs or {}, metadata
        self.__dict__.update(fields)


class RunningReplica(_NotHere):
    """A replica as a router sees it."""


class RunningReplicaInfo(_NotHere):
    """A replica as a router is told of it."""


class ReplicaResult(_NotHere):
    """A replica's answer."""


class ReplicaConfig(_NotHere):
    """A replica's configuration."""


class TimeStampedValue:
    """A value and when it was so."""

    def __init__(self, timestamp: float, value: float):
        self.timestamp, self.value = timestamp, value


class DeploymentStatusInfo:
    """A deployment's state."""

    def __init__(self, name: str, status: Any, status_trigger: Any = None, message: str = ""):
        self.name, self.status, self.status_trigger, self.message = (
            name,
            status,
            status_trigger,
            message,
        )


class BuiltApplication(_NotHere):
    """What build_app makes in Ray Serve."""


class MessageQueue(_NotHere):
    """ASGI messages between processes."""


class ASGIReceiveProxy(_NotHere):
    """ASGI messages between processes."""


class UserDefinedMessage(_NotHere):
    """A protobuf message of Ray Serve."""


def not_here(*_: Any, **__: Any) -> Any:
    """A function of Ray Serve's insides."""
    raise NotImplementedError("This is internal to Ray Serve; Model Service does without it.")


def default_autoscaling_policy(ctx: Any) -> tuple[int, dict]:
    """The built-in policy, for the context of one deployment: replicas for the ongoing requests, within bounds."""
    import math

    config = ctx.config
    n = ctx.current_num_replicas
    total = ctx.total_num_requests
    if n == 0:
        return (
            max(1, ctx.capacity_adjusted_min_replicas)
            if total > 0
            else ctx.capacity_adjusted_min_replicas
        ), {}
    wanted = _calculate_desired_num_replicas(config, total, n)
    low, high = ctx.capacity_adjusted_min_replicas, ctx.capacity_adjusted_max_replicas
    return max(low, min(high, math.ceil(wanted))), {}


def _calculate_desired_num_replicas(
    autoscaling_config: Any,
    total_num_requests: float,
    num_running_replicas: int,
    override_min_replicas: Any = None,
    override_max_replicas: Any = None,
) -> int:
    """Replicas for so many ongoing requests (contracts, ray-serve §6.2). ValueError without running replicas."""
    import math

    if num_running_replicas == 0:
        raise ValueError("Number of replicas cannot be zero")
    target = autoscaling_config.get_target_ongoing_requests() * num_running_replicas
    ratio = total_num_requests / target
    factor = (
        autoscaling_config.get_upscaling_factor()
        if ratio > 1
        else autoscaling_config.get_downscaling_factor()
    )
    smoothed = 1 + (ratio - 1) * factor
    desired = math.ceil(num_running_replicas * smoothed)
    if (
        math.ceil(num_running_replicas * ratio) == num_running_replicas - 1
        and desired == num_running_replicas
    ):
        desired -= 1
    low = (
        autoscaling_config.min_replicas if override_min_replicas is None else override_min_replicas
    )
    high = (
        autoscaling_config.max_replicas if override_max_replicas is None else override_max_replicas
    )
    return max(low, min(high, desired))


class RayServegRPCContext(_NotHere):
    """A gRPC request's context."""


class InputNode(_NotHere):
    """Deployment graphs of Ray 1 and 2.0."""


class GradioIngress(_NotHere):
    """Gradio applications."""


class Queue(_NotHere):
    """ray.util.queue."""


def task_consumer(*_: Any, **__: Any) -> Any:
    """Task queues are not supported."""
    raise NotImplementedError("Task consumers are not supported by Model Service yet.")


#: Nothing waits in this process: queues are in the router.
requests_pending_assignment: dict = {}


class ServeSubmissionClient:
    """A REST client of the controller, as scripts use it."""

    def __init__(self, dashboard_head_address: str = "http://localhost:8265", **_: Any):
        from .attach import Rest

        self._rest = Rest(dashboard_head_address)

    def get_serve_details(self) -> dict:
        return self._rest.checked("GET", "/api/serve/applications/")

    def deploy_applications(self, config: dict) -> None:
        self._rest.checked("PUT", "/api/serve/applications/", config)

    def delete_applications(self) -> None:
        self._rest.checked("DELETE", "/api/serve/applications/")
