# SPDX-License-Identifier: Apache-2.0
"""The models of ``ray.serve.config``: autoscaling, HTTP, gRPC, routing and logging options.

Loads pydantic; nothing on a plain request's path imports this module.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from enum import Enum, StrEnum
from typing import Any, Union

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

DEFAULT_AUTOSCALING_POLICY = "ray.serve.autoscaling_policy:default_autoscaling_policy"
DEFAULT_REQUEST_ROUTER_PATH = "ray.serve._private.request_router:PowerOfTwoChoicesRequestRouter"


class _Model(BaseModel):
    """Both generations of pydantic's method names, without its deprecation warnings."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        validate_default=False,
        validate_assignment=True,
        protected_namespaces=(),
    )

    def dict(self, **options: Any) -> dict:  # noqa: A003
        return self.model_dump(**options)

    def json(self, **options: Any) -> str:
        return self.model_dump_json(**options)

    @classmethod
    def parse_obj(cls, value: Any) -> _Model:
        return cls.model_validate(value)

    def copy(self, *, update: dict | None = None, deep: bool = False, **_: Any) -> _Model:
        return self.model_copy(update=update, deep=deep)


class AggregationFunction(StrEnum):
    """How metrics over a window become one number."""

    MEAN = "mean"
    MAX = "max"
    MIN = "min"


def _import_path(target: Any) -> str:
    if isinstance(target, str):
        return target
    return f"{target.__module__}:{target.__qualname__}"


class AutoscalingPolicy(_Model):
    """Which function decides the number of replicas."""

    policy_function: Union[str, Callable] = DEFAULT_AUTOSCALING_POLICY
    policy_kwargs: dict = Field(default_factory=dict)
    name: Union[str, Callable] | None = Field(default=None, exclude=True)

    @field_validator("policy_function")
    @classmethod
    def _path(cls, value: Any) -> str:
        return _import_path(value)

    def get_policy(self) -> Callable:
        """The function itself. ImportError."""
        from .imports import import_attr

        return import_attr(self.policy_function)


class AutoscalingConfig(_Model):
    """When replicas are added and removed (contracts, ray-serve §6)."""

    min_replicas: NonNegativeInt = 1
    initial_replicas: NonNegativeInt | None = None
    max_replicas: PositiveInt = 1
    target_ongoing_requests: PositiveFloat | None = 2
    metrics_interval_s: PositiveFloat = 10.0
    look_back_period_s: PositiveFloat = 30.0
    smoothing_factor: PositiveFloat = 1.0
    upscale_smoothing_factor: PositiveFloat | None = None
    downscale_smoothing_factor: PositiveFloat | None = None
    upscaling_factor: PositiveFloat | None = None
    downscaling_factor: PositiveFloat | None = None
    downscale_delay_s: NonNegativeFloat = 600.0
    downscale_to_zero_delay_s: NonNegativeFloat | None = None
    upscale_delay_s: NonNegativeFloat = 30.0
    aggregation_function: AggregationFunction = AggregationFunction.MEAN
    policy: AutoscalingPolicy = Field(default_factory=AutoscalingPolicy)

    model_config = ConfigDict(validate_assignment=False)

    @field_validator("aggregation_function", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _bounds(self) -> AutoscalingConfig:
        low, high, first = self.min_replicas, self.max_replicas, self.initial_replicas
        if high < low:
            raise ValueError(
                f"max_replicas ({high}) must be greater than or equal to min_replicas ({low})!"
            )
        if first is not None and first < low:
            raise ValueError(
                f"min_replicas ({low}) must be less than or equal to initial_replicas ({first})!"
            )
        if first is not None and first > high:
            raise ValueError(
                f"max_replicas ({high}) must be greater than or equal to initial_replicas ({first})!"
            )
        return self

    @classmethod
    def default(cls) -> AutoscalingConfig:
        """What ``num_replicas="auto"`` stands for."""
        return cls(min_replicas=1, max_replicas=100, target_ongoing_requests=2)

    @classmethod
    def as_json(cls, given: dict) -> dict:
        """The given fields only, as JSON values; unknown ones are dropped."""
        known = {k: v for k, v in given.items() if k in cls.model_fields}
        return {
            k: v
            for k, v in cls.model_construct(**known)
            .model_dump(mode="json", exclude_unset=True, warnings=False)
            .items()
        } | (
            {"policy": AutoscalingPolicy(**_policy(known["policy"])).model_dump()}
            if known.get("policy")
            else {}
        )

    def get_upscaling_factor(self) -> float:
        return self.upscaling_factor or self.upscale_smoothing_factor or self.smoothing_factor

    def get_downscaling_factor(self) -> float:
        return self.downscaling_factor or self.downscale_smoothing_factor or self.smoothing_factor

    def get_target_ongoing_requests(self) -> float | None:
        return self.target_ongoing_requests

    def get_policy(self) -> Callable:
        return self.policy.get_policy()


def _policy(value: Any) -> dict:
    return value if isinstance(value, dict) else value.model_dump()


class AutoscalingContext:
    """What an autoscaling policy is given; fields as keyword arguments."""

    def __init__(self, **fields: Any):
        self.__dict__.update(fields)


class ProxyLocation(StrEnum):
    """On which nodes proxies listen."""

    Disabled = "Disabled"
    HeadOnly = "HeadOnly"
    EveryNode = "EveryNode"

    @classmethod
    def _from_deployment_mode(cls, mode: Any) -> ProxyLocation | None:
        if mode is None:
            return None
        name = mode.value if isinstance(mode, Enum) else mode
        return cls("Disabled" if name == "NoServer" else name)

    @classmethod
    def _to_deployment_mode(cls, location: Any) -> DeploymentMode:
        name = location.value if isinstance(location, Enum) else location
        return DeploymentMode("NoServer" if name == "Disabled" else name)


class DeploymentMode(StrEnum):
    """The older name of ProxyLocation."""

    NoServer = "NoServer"
    HeadOnly = "HeadOnly"
    EveryNode = "EveryNode"


def _default_host() -> str:
    return os.environ.get("RAY_SERVE_DEFAULT_HTTP_HOST", "127.0.0.1")


def _default_port() -> int:
    return int(os.environ.get("RAY_SERVE_DEFAULT_HTTP_PORT", "8000"))


class HTTPOptions(_Model):
    """The HTTP ingress."""

    host: str | None = Field(default_factory=_default_host)
    port: int = Field(default_factory=_default_port)
    middlewares: list = Field(default_factory=list)
    location: DeploymentMode | None = DeploymentMode.HeadOnly
    num_cpus: int = 0
    root_url: str = ""
    root_path: str = ""
    request_timeout_s: float | None = None
    keep_alive_timeout_s: int = 90
    ssl_keyfile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile_password: str | None = None
    ssl_ca_certs: str | None = None

    @model_validator(mode="after")
    def _checks(self) -> HTTPOptions:
        if bool(self.ssl_certfile) != bool(self.ssl_keyfile):
            raise ValueError(
                "Both ssl_keyfile and ssl_certfile must be provided together to enable HTTPS."
            )
        if self.middlewares:
            warnings.warn(
                "Passing `middlewares` to HTTPOptions is deprecated and has no effect.",
                stacklevel=2,
            )
        if self.num_cpus:
            warnings.warn(
                "Passing `num_cpus` to HTTPOptions is deprecated and has no effect.", stacklevel=2
            )
        return self

    model_config = ConfigDict(validate_assignment=False)


class gRPCOptions(_Model):
    """The gRPC ingress."""

    port: int = 9000
    grpc_servicer_functions: list = Field(default_factory=list)
    request_timeout_s: float | None = None

    @property
    def grpc_servicer_func_callable(self) -> list:
        """The functions named by ``grpc_servicer_functions``. ModuleNotFoundError, ValueError."""
        from .imports import import_attr

        functions = []
        for path in self.grpc_servicer_functions:
            try:
                functions.append(import_attr(path))
            except ModuleNotFoundError as e:
                raise ModuleNotFoundError(
                    f"{path} can't be imported! Please make sure there are no typo in those functions. Or you might "
                    "want to rebuild service definitions if .proto file is changed."
                ) from e
            except AttributeError as e:
                raise AttributeError(
                    f"{path} can't be imported! Please make sure there are no typo in it."
                ) from e
            if not callable(functions[-1]):
                raise ValueError(f"{path} is not a callable function!")
        return functions


class RequestRouterConfig(_Model):
    """Which class chooses replicas."""

    request_router_class: Union[str, Callable] = DEFAULT_REQUEST_ROUTER_PATH
    request_router_kwargs: dict = Field(default_factory=dict)
    request_routing_stats_period_s: PositiveFloat = 10
    request_routing_stats_timeout_s: PositiveFloat = 30
    initial_backoff_s: PositiveFloat = 0.025
    backoff_multiplier: PositiveFloat = 2
    max_backoff_s: PositiveFloat = 0.5

    @field_validator("request_router_class")
    @classmethod
    def _path(cls, value: Any) -> str:
        return _import_path(value)

    @field_validator("request_router_kwargs")
    @classmethod
    def _json(cls, value: dict) -> dict:
        import json

        try:
            json.dumps(value)
        except TypeError as e:
            raise ValueError(f"request_router_kwargs is not JSON-serializable: {e}.") from e
        return value

    def get_request_router_class(self) -> Any:
        from .imports import import_attr

        return import_attr(self.request_router_class)


class EncodingType(StrEnum):
    """How log lines are written."""

    TEXT = "TEXT"
    JSON = "JSON"


_LEVELS = ["CRITICAL", "FATAL", "ERROR", "WARN", "WARNING", "INFO", "DEBUG", "NOTSET"]
_LEVEL_OF_NUMBER = {
    50: "CRITICAL",
    40: "ERROR",
    30: "WARNING",
    20: "INFO",
    10: "DEBUG",
    0: "NOTSET",
}


class LoggingConfig(_Model):
    """How a deployment logs."""

    encoding: Union[str, EncodingType] = Field(
        default_factory=lambda: os.environ.get("RAY_SERVE_LOG_ENCODING", "TEXT")
    )
    log_level: Union[int, str] = "INFO"
    logs_dir: str | None = None
    enable_access_log: bool = True
    additional_log_standard_attrs: list[str] = Field(default_factory=list)

    model_config = ConfigDict(extra="forbid")

    @field_validator("encoding")
    @classmethod
    def _encoding(cls, value: Any) -> str:
        text = value.value if isinstance(value, EncodingType) else value
        if text not in ("TEXT", "JSON"):
            raise ValueError(
                f"Got '{text}' for encoding. Encoding must be one of {set(EncodingType)}."
            )
        return text

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: Any) -> str:
        level = _LEVEL_OF_NUMBER.get(value, value) if isinstance(value, int) else value
        if level not in _LEVELS:
            raise ValueError(f'Got "{value}" for log_level. log_level must be one of {_LEVELS}.')
        return level

    @field_validator("additional_log_standard_attrs")
    @classmethod
    def _attrs(cls, value: list) -> list:
        import logging

        known = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
        for name in value:
            if name not in known:
                raise ValueError(f"Unknown attribute '{name}' in additional_log_standard_attrs.")
        return list(dict.fromkeys(value))


class GangPlacementStrategy(StrEnum):
    """How the replicas of a gang are spread."""

    PACK = "PACK"
    SPREAD = "SPREAD"
    STRICT_PACK = "STRICT_PACK"
    STRICT_SPREAD = "STRICT_SPREAD"


class GangRuntimeFailurePolicy(StrEnum):
    """What is restarted when a replica of a gang fails."""

    RESTART_GANG = "RESTART_GANG"
    RESTART_REPLICA = "RESTART_REPLICA"


class GangSchedulingConfig(_Model):
    """Accepted for imports; gangs are not scheduled."""

    gang_size: PositiveInt = 1
    gang_placement_strategy: GangPlacementStrategy = GangPlacementStrategy.PACK
    runtime_failure_policy: GangRuntimeFailurePolicy = GangRuntimeFailurePolicy.RESTART_GANG


class DeploymentActorConfig(_Model):
    """Accepted for imports; deployment actors are not started."""

    name: str
    actor_class: Any = None
    init_args: tuple = ()
    init_kwargs: dict = Field(default_factory=dict)
    actor_options: dict = Field(default_factory=dict)


class ControllerOptions(_Model):
    """Accepted for imports."""

    model_config = ConfigDict(extra="allow")
