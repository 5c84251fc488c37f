# SPDX-License-Identifier: Apache-2.0
"""User metrics: the classes of ``ray.util.metrics`` and, with the replica's tags, of ``ray.serve.metrics``.

Values are kept in this process; ``snapshot()`` gives them to whoever exports them.
"""

from __future__ import annotations

import bisect
import logging
import re
import threading
from typing import Any

from .context import get_internal_replica_context, request_var

logger = logging.getLogger("ray.serve")

#: More series than this of one metric are not kept (DESIGN §10).
MAX_SERIES = 1000

_NAME = re.compile(r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")
_lock = threading.Lock()
_registry: dict[str, Metric] = {}


class Metric:
    """A named family of series. Names that cannot be exported drop the metric with a warning."""

    kind = "untyped"

    def __init__(self, name: str, description: str = "", tag_keys: tuple | None = None):
        if len(name) == 0:
            raise ValueError("Empty name is not allowed. Please provide a metric name.")
        if tag_keys is not None and not isinstance(tag_keys, tuple):
            raise TypeError(f"tag_keys should be a tuple type, got: {type(tag_keys)}")
        for key in tag_keys or ():
            if not isinstance(key, str):
                raise TypeError(f"Tag keys must be str, got {type(key)}.")
        self._name = name
        self._description = description
        self._tag_keys: tuple = tag_keys or ()
        self._default_tags: dict[str, str] = {}
        self._series: dict[tuple, Any] = {}
        self._discard = not _NAME.match(name)
        if self._discard:
            logger.warning(
                f"The metric name {name!r} is not a valid Prometheus name; the metric is not recorded."
            )
        else:
            with _lock:
                _registry[name] = self

    @property
    def info(self) -> dict[str, Any]:
        """Name, description, tag keys and default tags."""
        return {
            "name": self._name,
            "description": self._description,
            "tag_keys": self._tag_keys,
            "default_tags": self._default_tags,
        }

    def set_default_tags(self, default_tags: dict[str, str]) -> Metric:
        """Values for tags that a recording does not give. ValueError, TypeError."""
        for key, value in default_tags.items():
            if key not in self._tag_keys:
                raise ValueError(f"Unrecognized tag key {key}.")
            if not isinstance(value, str):
                raise TypeError(f"Tag values must be str, got {type(value)}.")
        self._default_tags = dict(default_tags)
        return self

    def _tags(self, tags: dict[str, str] | None) -> tuple:
        merged = dict(self._default_tags)
        for key, value in (tags or {}).items():
            if not isinstance(value, str):
                raise TypeError(f"Tag values must be str, got {type(value)}.")
            merged[key] = value
        missing = [key for key in self._tag_keys if key not in merged]
        if missing:
            raise ValueError(f"Missing value for tag key(s): {','.join(missing)}.")
        return tuple(merged[key] for key in self._tag_keys)

    def _has_room(self, series: tuple) -> bool:
        return not self._discard and (series in self._series or len(self._series) < MAX_SERIES)


def _check_number(value: Any) -> None:
    if not isinstance(value, (int, float)):
        raise TypeError(f"value must be int or float, got {type(value)}.")


class Counter(Metric):
    """Goes up only."""

    kind = "counter"

    def inc(self, value: float = 1.0, tags: dict[str, str] | None = None) -> None:
        """Add ``value``. ValueError unless it is positive, or when a tag is missing."""
        _check_number(value)
        if value <= 0:
            raise ValueError(f"value must be >0, got {value}")
        series = self._tags(tags)
        with _lock:
            if self._has_room(series):
                self._series[series] = self._series.get(series, 0.0) + value


class Gauge(Metric):
    """The last value."""

    kind = "gauge"

    def set(self, value: float | None, tags: dict[str, str] | None = None) -> None:
        """Record ``value``; None is ignored."""
        if value is None:
            return
        _check_number(value)
        series = self._tags(tags)
        with _lock:
            if self._has_room(series):
                self._series[series] = float(value)


class Histogram(Metric):
    """Counts values by bucket. ``boundaries``: upper bounds, positive and required."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        description: str = "",
        boundaries: list[float] | None = None,
        tag_keys: tuple | None = None,
    ):
        super().__init__(name, description, tag_keys)
        if not boundaries:
            raise ValueError(
                "boundaries argument should be provided when using the Histogram class. "
                'e.g., Histogram("name", boundaries=[1.0, 2.0])'
            )
        for i, bound in enumerate(boundaries):
            if bound <= 0:
                raise ValueError(
                    f"Invalid `boundaries` argument at index {i}, {boundaries}. Use positive values for the arguments."
                )
        self.boundaries = list(boundaries)

    @property
    def info(self) -> dict[str, Any]:
        return {**super().info, "boundaries": self.boundaries}

    def observe(self, value: float, tags: dict[str, str] | None = None) -> None:
        """Count one value."""
        _check_number(value)
        series = self._tags(tags)
        with _lock:
            if self._has_room(series):
                buckets, total, count = self._series.get(series) or (
                    [0] * (len(self.boundaries) + 1),
                    0.0,
                    0,
                )
                buckets[bisect.bisect_left(self.boundaries, value)] += 1
                self._series[series] = (buckets, total + value, count + 1)


def snapshot() -> list[dict[str, Any]]:
    """All metrics of this process: name, kind, description, tag keys and values by tags."""
    with _lock:
        return [
            {**metric.info, "kind": metric.kind, "series": dict(metric._series)}
            for metric in _registry.values()
        ]


# --- inside replicas ------------------------------------------------------------------------------------------------

_REPLICA_TAGS = ("deployment", "replica", "application")
_ROUTE = "route"


class _InReplica:
    """Adds the replica's tags to a metric, and the request's route where the metric declares it."""

    def __init__(self, name: str, description: str, tag_keys: tuple | None, *extra: Any):
        if tag_keys is not None and not isinstance(tag_keys, tuple):
            raise TypeError(f"tag_keys should be a tuple type, got: {type(tag_keys)}")
        context = get_internal_replica_context()
        self._replica_tags: dict[str, str] = {}
        if context is not None:
            for key in tag_keys or ():
                if key in _REPLICA_TAGS:
                    raise ValueError(f"'{key}' tag name is reserved for Ray Serve metrics")
            tag_keys = (*(tag_keys or ()), *_REPLICA_TAGS)
            self._replica_tags = {
                "deployment": context.deployment,
                "replica": context.replica_tag,
                "application": context.app_name,
            }
        super().__init__(name, description, *extra, tag_keys=tag_keys)
        self._default_tags = dict(self._replica_tags)

    def set_default_tags(self, default_tags: dict[str, str]) -> Any:
        for key in default_tags:
            if key in self._replica_tags:
                raise ValueError(f"'{key}' tag name is reserved for Ray Serve metrics")
        super().set_default_tags(default_tags)
        self._default_tags.update(self._replica_tags)
        return self

    def _tags(self, tags: dict[str, str] | None) -> tuple:
        request = request_var.get()
        if _ROUTE in self._tag_keys and _ROUTE not in self._default_tags and request is not None:
            tags = {_ROUTE: request.route, **(tags or {})}
        return super()._tags(tags)


class ServeCounter(_InReplica, Counter):
    """``ray.serve.metrics.Counter``."""

    def __init__(self, name: str, description: str = "", tag_keys: tuple | None = None):
        super().__init__(name, description, tag_keys)


class ServeGauge(_InReplica, Gauge):
    """``ray.serve.metrics.Gauge``."""

    def __init__(self, name: str, description: str = "", tag_keys: tuple | None = None):
        super().__init__(name, description, tag_keys)


class ServeHistogram(_InReplica, Histogram):
    """``ray.serve.metrics.Histogram``."""

    def __init__(
        self,
        name: str,
        description: str = "",
        boundaries: list[float] | None = None,
        tag_keys: tuple | None = None,
    ):
        super().__init__(name, description, tag_keys, boundaries)


for _cls, _name in (
    (ServeCounter, "Counter"),
    (ServeGauge, "Gauge"),
    (ServeHistogram, "Histogram"),
):
    _cls.__name__ = _cls.__qualname__ = _name
    _cls.__module__ = "ray.serve.metrics"
