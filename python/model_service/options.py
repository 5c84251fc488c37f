# SPDX-License-Identifier: Apache-2.0
"""The options of a deployment: which there are, what each may be, what each is when nobody sets it.

One row per option. pydantic is loaded only to raise its ValidationError, or for an option that holds a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn


class DEFAULT(Enum):
    """The value of an option that was not given; None is a value that can be given."""

    VALUE = 1


UNSET = DEFAULT.VALUE


def validation_error(title: str, location: tuple, message: str, value: Any) -> NoReturn:
    """Raise pydantic's ValidationError (a ValueError) for one field; a plain ValueError without pydantic 2."""
    try:
        from pydantic_core import PydanticCustomError, ValidationError
    except ImportError:
        raise ValueError(
            f"1 validation error for {title}\n{' -> '.join(map(str, location))}\n  {message}"
        ) from None
    problem = PydanticCustomError("value_error", "{message}", {"message": message})
    raise ValidationError.from_exception_data(
        title, [{"type": problem, "loc": location, "input": value}]
    )


def _invalid(name: str, message: str, value: Any) -> NoReturn:
    validation_error("DeploymentConfig", (name,), message, value)


def _integer(name: str, value: Any) -> int:
    """An int, or what reads as one, as pydantic does outside its strict mode."""
    if value is None:
        _invalid(name, "none is not an allowed value", value)
    try:
        return int(value)
    except (TypeError, ValueError):
        _invalid(name, "value is not a valid integer", value)


def _number(name: str, value: Any) -> float:
    if value is None:
        _invalid(name, "none is not an allowed value", value)
    try:
        return float(value)
    except (TypeError, ValueError):
        _invalid(name, "value is not a valid float", value)


def _num_replicas(name: str, value: Any) -> Any:
    if value is None or value == "auto":
        return value
    if value == 0 and not isinstance(value, (str, bool)):
        raise ValueError("num_replicas is expected to larger than 0")
    n = _integer(name, value)
    if n < 0:
        _invalid(name, "ensure this value is greater than or equal to 0", value)
    return n


def _max_ongoing_requests(name: str, value: Any) -> int:
    if value is None:
        raise ValueError("`max_ongoing_requests` must be non-null, got None.")
    return _positive_integer(name, value)


def _positive_integer(name: str, value: Any) -> int:
    n = _integer(name, value)
    if n <= 0:
        _invalid(name, "ensure this value is greater than 0", value)
    return n


def _max_queued_requests(name: str, value: Any) -> int:
    n = _integer(name, value)
    if n != -1 and n < 1:
        _invalid(name, "max_queued_requests must be -1 (no limit) or a positive integer.", value)
    return n


def _user_config(name: str, value: Any) -> Any:
    try:
        json.dumps(value)
    except TypeError as e:
        _invalid(name, f"user_config is not JSON-serializable: {e}.", value)
    return value


def _not_negative(name: str, value: Any) -> float:
    n = _number(name, value)
    if n < 0:
        _invalid(name, "ensure this value is greater than or equal to 0", value)
    return n


def _positive(name: str, value: Any) -> float:
    n = _number(name, value)
    if n <= 0:
        _invalid(name, "ensure this value is greater than 0", value)
    return n


_ACTOR_OPTIONS = (
    "accelerator_type",
    "label_selector",
    "memory",
    "num_cpus",
    "num_gpus",
    "resources",
    "runtime_env",
)


def _ray_actor_options(name: str, value: Any) -> Any:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(
            f'Got invalid type "{type(value)}" for ray_actor_options. Expected a dictionary.'
        )
    for key, inner in value.items():
        if key not in _ACTOR_OPTIONS:
            raise ValueError(
                f"Specifying '{key}' in ray_actor_options is not allowed. Allowed options: {set(_ACTOR_OPTIONS)}"
            )
        if key in ("num_cpus", "num_gpus", "memory") and inner is not None:
            if not isinstance(inner, (int, float)):
                raise TypeError(
                    f"The type of keyword '{key}' must be {(float, int, type(None))}, but received type {type(inner)}"
                )
            if inner < 0:
                raise ValueError(f"The quantity of resource {key} cannot be negative")
    return dict(value)


def _max_replicas_per_node(name: str, value: Any) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int):
        raise TypeError(
            f"Get invalid type '{type(value)}' for max_replicas_per_node. Expected None or an integer in the range of "
            "[1, 100]."
        )
    if not 1 <= value <= 100:
        raise ValueError(
            f"Invalid max_replicas_per_node {value}. Valid values are None or an integer in the range of [1, 100]."
        )
    return value


def _bundles(name: str, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        what = "empty list" if value == [] else repr(value)
        raise ValueError(
            "Bundles must be a non-empty list of resource dictionaries. For example: "
            f'`[{{"CPU": 1.0}}, {{"GPU": 1.0}}]`. Got {what} instead.'
        )
    return value


def _autoscaling_config(name: str, value: Any) -> dict | None:
    """The fields that were given, checked, as a plain dictionary."""
    if value is None:
        return None
    from .config import AutoscalingConfig

    if isinstance(value, AutoscalingConfig):
        return value.model_dump(exclude_unset=True, mode="json")
    if not isinstance(value, dict):
        _invalid(name, "value is not a valid dict", value)
    given = dict(value)
    AutoscalingConfig(**{"max_replicas": 10**9, **given})  # the bounds together: check_together()
    return AutoscalingConfig.as_json(given)


def _logging_config(name: str, value: Any) -> dict | None:
    if value is None:
        return None
    from .config import LoggingConfig

    if isinstance(value, LoggingConfig):
        return value.model_dump(exclude_unset=True, mode="json")
    if not isinstance(value, dict):
        _invalid(name, "value is not a valid dict", value)
    return LoggingConfig(**value).model_dump(exclude_unset=True, mode="json")


def _request_router_config(name: str, value: Any) -> Any:
    if value is None:
        return None
    from .config import RequestRouterConfig

    if isinstance(value, dict):
        value = RequestRouterConfig(**value)
    return value.model_dump(exclude_unset=True, mode="json")


def _as_it_is(name: str, value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


@dataclass(frozen=True)
class Option:
    """A row: the value when unset, the check that returns the value to keep."""

    default: Any
    check: Callable[[str, Any], Any]


OPTIONS: dict[str, Option] = {
    "num_replicas": Option(1, _num_replicas),
    "max_ongoing_requests": Option(5, _max_ongoing_requests),
    "max_queued_requests": Option(-1, _max_queued_requests),
    "user_config": Option(None, _user_config),
    "autoscaling_config": Option(None, _autoscaling_config),
    "graceful_shutdown_wait_loop_s": Option(2.0, _not_negative),
    "graceful_shutdown_timeout_s": Option(20.0, _not_negative),
    "health_check_period_s": Option(10.0, _positive),
    "health_check_timeout_s": Option(30.0, _positive),
    "ray_actor_options": Option({}, _ray_actor_options),
    "placement_group_bundles": Option(None, _bundles),
    "placement_group_strategy": Option(None, _as_it_is),
    "placement_group_bundle_label_selector": Option(None, _as_it_is),
    "placement_group_fallback_strategy": Option(None, _as_it_is),
    "max_replicas_per_node": Option(None, _max_replicas_per_node),
    "logging_config": Option(None, _logging_config),
    "request_router_config": Option(None, _request_router_config),
    "max_constructor_retry_count": Option(20, _positive_integer),
    "gang_scheduling_config": Option(None, _as_it_is),
    "deployment_actors": Option(None, _as_it_is),
    "prefer_local_node_routing": Option(None, _as_it_is),
    "prefer_local_az_routing": Option(None, _as_it_is),
}

#: Options of DeploymentSchema (contracts, ray-serve §1.4) and max_constructor_retry_count: what an artefact holds.
_LOCAL_ONLY = (
    "gang_scheduling_config",
    "deployment_actors",
    "prefer_local_node_routing",
    "prefer_local_az_routing",
    "placement_group_bundle_label_selector",
    "placement_group_fallback_strategy",
)


def check(given: dict[str, Any]) -> dict[str, Any]:
    """Check the options that were given and return them as they are kept.

    Raises ValueError, TypeError or pydantic's ValidationError with Ray Serve's texts.
    """
    return {name: OPTIONS[name].check(name, value) for name, value in given.items()}


def check_together(options: dict[str, Any]) -> None:
    """Check what options say about each other. ValueError."""
    replicas = options.get("num_replicas")
    if replicas not in (None, "auto") and options.get("autoscaling_config") is not None:
        raise ValueError(
            "Manually setting num_replicas is not allowed when autoscaling_config is provided."
        )
    bundles = options.get("placement_group_bundles")
    if options.get("placement_group_strategy") is not None and bundles is None:
        raise ValueError(
            "If `placement_group_strategy` is provided, `placement_group_bundles` must also be provided."
        )
    if options.get("autoscaling_config"):
        _check_autoscaling(options)
    if bundles is None:
        return
    if options.get("max_replicas_per_node") is not None:
        raise ValueError(
            "Setting max_replicas_per_node is not allowed when placement_group_bundles is provided."
        )
    needs = {
        "num_cpus": 1,
        **{k: v for k, v in options.get("ray_actor_options", {}).items() if v is not None},
    }
    for option, resource in (("num_cpus", "CPU"), ("num_gpus", "GPU"), ("memory", "memory")):
        need = needs.get(option, 0)
        if need > bundles[0].get(resource, 0):
            raise ValueError(
                "When using `placement_group_bundles`, the replica actor will be placed in the first bundle, so the "
                f"resource requirements for the actor must be a subset of the first bundle. `{option}` for the actor "
                f"is {need}, but the bundle only has {bundles[0].get(resource, 0)} `{resource}` specified."
            )


def _check_autoscaling(options: dict[str, Any]) -> None:
    from .config import AutoscalingConfig

    base = {"min_replicas": 1, "max_replicas": 100} if options.get("num_replicas") == "auto" else {}
    AutoscalingConfig(**{**base, **options["autoscaling_config"]})


def for_artefact(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were set, as JSON under the names of DeploymentSchema."""
    return {k: v for k, v in options.items() if k not in _LOCAL_ONLY}
