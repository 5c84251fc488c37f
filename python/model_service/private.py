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
