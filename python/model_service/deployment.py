# SPDX-License-Identifier: Apache-2.0
"""``@serve.deployment``: a function or class with options, and what ``bind`` makes of it."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Callable
from typing import Any, Union

from . import options as option_table
from .options import DEFAULT, UNSET

logger = logging.getLogger("ray.serve")

NO_ROUTE_PREFIX = (
    "`route_prefix` can no longer be specified at the deployment level. Pass it to `serve.run` or in the application "
    "config instead."
)


class Application:
    """A deployment bound to its arguments: give it to ``serve.run`` or to another ``bind``."""

    def __init__(self, bound_deployment: Deployment):
        self._bound_deployment = bound_deployment


class Deployment:
    """A function or class with options; made by ``@serve.deployment`` only."""

    def __init__(
        self,
        name: str,
        func_or_class: Any,
        options: dict[str, Any],
        version: str | None = None,
        init_args: tuple = (),
        init_kwargs: dict | None = None,
        _internal: bool = False,
    ):
        if not _internal:
            raise RuntimeError(
                "The Deployment constructor should not be called directly. Use `@serve.deployment` instead."
            )
        if not isinstance(name, str):
            raise TypeError("name must be a string.")
        if "#" in name:
            logger.warning(
                f"Deployment names should not contain the '#' character. Current name: {name}."
            )
        if version is not None and not isinstance(version, str):
            raise TypeError("version must be a string.")
        if not inspect.isclass(func_or_class) and (init_args or init_kwargs):
            which = "init_args" if init_args else "init_kwargs"
            raise ValueError(f"{which} not supported for function deployments.")
        self._name = name
        self._func_or_class = func_or_class
        self._options = options
        self._version = version
        self._init_args = tuple(init_args)
        self._init_kwargs = dict(init_kwargs or {})

    # --- what it is ---

    @property
    def name(self) -> str:
        """Unique in its application."""
        return self._name

    @property
    def version(self) -> str | None:
        return self._version

    @property
    def func_or_class(self) -> Any:
        return self._func_or_class

    @property
    def init_args(self) -> tuple:
        return self._init_args

    @property
    def init_kwargs(self) -> dict:
        return self._init_kwargs

    @property
    def user_configured_option_names(self) -> set:
        """Names of the options that code set."""
        return set(self._options)

    def _option(self, name: str) -> Any:
        return self._options.get(name, option_table.OPTIONS[name].default)

    @property
    def num_replicas(self) -> int:
        n = self._option("num_replicas")
        return 1 if n in (None, "auto") else n

    @property
    def user_config(self) -> Any:
        return self._option("user_config")

    @property
    def max_ongoing_requests(self) -> int:
        return self._option("max_ongoing_requests")

    @property
    def max_queued_requests(self) -> int:
        return self._option("max_queued_requests")

    @property
    def ray_actor_options(self) -> dict:
        given = self._option("ray_actor_options")
        return given if given.get("num_cpus") is not None else {**given, "num_cpus": 1}

    @property
    def logging_config(self) -> dict | None:
        return self._option("logging_config")

    @property
    def url(self) -> None:
        return None

    # --- making others ---

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Deployments cannot be constructed directly. Use `deployment.deploy() instead.`"
        )

    def bind(self, *args: Any, **kwargs: Any) -> Application:
        """Bind the constructor's arguments. Applications among them, at any depth, become handles in the replica."""
        return Application(self._copy(init_args=args, init_kwargs=kwargs))

    def options(
        self,
        func_or_class: Any = None,
        name: Union[str, DEFAULT] = UNSET,
        version: Any = UNSET,
        route_prefix: Any = UNSET,
        _init_args: Any = UNSET,
        _init_kwargs: Any = UNSET,
        _internal: bool = False,
        **changes: Any,
    ) -> Deployment:
        """A copy with these options changed; the same names and rules as ``@serve.deployment``."""
        if route_prefix is not UNSET:
            raise ValueError(NO_ROUTE_PREFIX)
        given = _given(changes)
        merged = {**self._options, **option_table.check(given)}
        if (
            "num_replicas" in given
            and given["num_replicas"] not in (None, "auto")
            and "autoscaling_config" not in given
        ):
            merged.pop("autoscaling_config", None)
        elif (
            given.get("autoscaling_config") is not None
            and merged.get("num_replicas") != "auto"
            and ("num_replicas" not in given)
        ):
            merged.pop("num_replicas", None)
        option_table.check_together(merged)
        return self._copy(
            func_or_class=func_or_class or self._func_or_class,
            name=self._name if name is UNSET else name,
            version=self._version if version is UNSET else version,
            options=merged,
            init_args=self._init_args if _init_args is UNSET else _init_args,
            init_kwargs=self._init_kwargs if _init_kwargs is UNSET else _init_kwargs,
        )

    def _copy(self, **changes: Any) -> Deployment:
        fields = {
            "name": self._name,
            "func_or_class": self._func_or_class,
            "options": copy.copy(self._options),
            "version": self._version,
            "init_args": self._init_args,
            "init_kwargs": self._init_kwargs,
            **changes,
        }
        return Deployment(**fields, _internal=True)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Deployment) and all(
            getattr(self, field) == getattr(other, field)
            for field in (
                "_name",
                "_version",
                "_options",
                "_init_args",
                "_init_kwargs",
                "_func_or_class",
            )
        )

    __hash__ = object.__hash__

    def __str__(self) -> str:
        return f"Deployment(name={self._name})"

    __repr__ = __str__

    def __reduce__(self):
        return _rebuild_deployment, (
            self._name,
            self._func_or_class,
            self._options,
            self._version,
            self._init_args,
            self._init_kwargs,
        )


def _rebuild_deployment(
    name, func_or_class, options, version, init_args, init_kwargs
) -> Deployment:
    return Deployment(name, func_or_class, options, version, init_args, init_kwargs, _internal=True)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, that is, not unset. TypeError for a name that is not an option."""
    for name in options:
        if name not in option_table.OPTIONS:
            raise TypeError(f"deployment() got an unexpected keyword argument '{name}'")
    return {name: value for name, value in options.items() if value is not UNSET}


def deployment(
    _func_or_class: Union[Callable, str] | None = None,
    name: Union[str, DEFAULT] = UNSET,
    version: Union[str, DEFAULT] = UNSET,
    num_replicas: Any = UNSET,
    route_prefix: Any = UNSET,
    ray_actor_options: Any = UNSET,
    placement_group_bundles: Any = UNSET,
    placement_group_strategy: Any = UNSET,
    max_replicas_per_node: Any = UNSET,
    user_config: Any = UNSET,
    max_ongoing_requests: Any = UNSET,
    max_queued_requests: Any = UNSET,
    autoscaling_config: Any = UNSET,
    graceful_shutdown_wait_loop_s: Any = UNSET,
    graceful_shutdown_timeout_s: Any = UNSET,
    health_check_period_s: Any = UNSET,
    health_check_timeout_s: Any = UNSET,
    logging_config: Any = UNSET,
    request_router_config: Any = UNSET,
    **newer: Any,
) -> Any:
    """Make a deployment of a function or class; usable bare or with options (contracts, ray-python-api §2.1a).

    Raises ValueError, TypeError, or pydantic's ValidationError for an option that cannot be.
    """
    if isinstance(_func_or_class, str):  # @serve.deployment("name", ...)
        name, _func_or_class = _func_or_class, None
    if route_prefix is not UNSET:
        raise ValueError(NO_ROUTE_PREFIX)
    if max_ongoing_requests is None:
        raise ValueError("`max_ongoing_requests` must be non-null, got None.")
    given = _given(
        {
            "num_replicas": num_replicas,
            "ray_actor_options": ray_actor_options,
            "placement_group_bundles": placement_group_bundles,
            "placement_group_strategy": placement_group_strategy,
            "max_replicas_per_node": max_replicas_per_node,
            "user_config": user_config,
            "max_ongoing_requests": max_ongoing_requests,
            "max_queued_requests": max_queued_requests,
            "autoscaling_config": autoscaling_config,
            "graceful_shutdown_wait_loop_s": graceful_shutdown_wait_loop_s,
            "graceful_shutdown_timeout_s": graceful_shutdown_timeout_s,
            "health_check_period_s": health_check_period_s,
            "health_check_timeout_s": health_check_timeout_s,
            "logging_config": logging_config,
            "request_router_config": request_router_config,
            **newer,
        }
    )
    if version is not UNSET:
        logger.warning("DeprecationWarning: `version` in `@serve.deployment` has been deprecated.")
    if (
        given.get("num_replicas") not in (None, "auto")
        and given.get("autoscaling_config") is not None
    ):
        raise ValueError(
            "Manually setting num_replicas is not allowed when autoscaling_config is provided."
        )
    options = option_table.check(given)
    option_table.check_together(options)

    def decorate(func_or_class: Any) -> Deployment:
        if not callable(func_or_class):
            raise TypeError("@serve.deployment must be called on a class or function.")
        if isinstance(func_or_class, Deployment):
            raise TypeError("@serve.deployment must be called on a class or function.")
        return Deployment(
            func_or_class.__name__ if name is UNSET else name,
            func_or_class,
            options,
            None if version is UNSET else version,
            _internal=True,
        )

    return decorate(_func_or_class) if callable(_func_or_class) else decorate
