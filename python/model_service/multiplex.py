# SPDX-License-Identifier: Apache-2.0
"""``@serve.multiplexed``: several models in one replica, the least recently used one gives way (§4.7)."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .context import get_internal_replica_context, request_var

logger = logging.getLogger("ray.serve")


class _ModelMultiplexWrapper:
    """The models that one object has loaded. ``max_num_models_per_replica`` -1: no limit."""

    def __init__(self, model_load_func: Callable, self_arg: Any, max_num_models_per_replica: int):
        self._func = model_load_func
        self.self_arg = self_arg
        self.max_num_models_per_replica = max_num_models_per_replica
        self.models: OrderedDict[str, Any] = OrderedDict()
        self._model_load_tasks: set[str] = set()
        self._lock = asyncio.Lock()

    async def load_model(self, model_id: str) -> Any:
        """The model, loaded when it is not here. Raises TypeError, ValueError, and what loading raises."""
        if type(model_id) is not str:
            raise TypeError("The model ID must be a string.")
        if not model_id:
            raise ValueError("The model ID cannot be empty.")
        if model_id in self.models:
            self.models.move_to_end(model_id)
            return self.models[model_id]
        async with self._lock:
            if model_id in self.models:
                self.models.move_to_end(model_id)
                return self.models[model_id]
            self._model_load_tasks.add(model_id)
            try:
                if 0 < self.max_num_models_per_replica <= len(self.models):
                    await self.unload_model_lru()
                logger.info(f"Loading model '{model_id}'.")
                arguments = (model_id,) if self.self_arg is None else (self.self_arg, model_id)
                self.models[model_id] = await self._func(*arguments)
            finally:
                self._model_load_tasks.discard(model_id)
            return self.models[model_id]

    async def unload_model_lru(self) -> None:
        """Let go of the model that was not used for longest, by calling its destructor."""
        model_id, model = self.models.popitem(last=False)
        logger.info(f"Unloading model '{model_id}'.")
        destructor = getattr(type(model), "__del__", None)
        if destructor is None:
            return
        if inspect.iscoroutinefunction(destructor):
            await destructor(model)
        else:
            await asyncio.get_running_loop().run_in_executor(None, destructor, model)
        _disable_destructor(model)

    async def shutdown(self) -> None:
        """Unload everything."""
        while self.models:
            try:
                await self.unload_model_lru()
            except Exception:
                logger.exception("Failed to unload a model.")


def _disable_destructor(model: Any) -> None:
    """The interpreter must not run it once more: give the object a class without one."""
    cls = type(model)
    try:
        model.__class__ = type(
            cls.__name__, (cls,), {"__del__": lambda self: None, "__module__": cls.__module__}
        )
    except TypeError:
        pass


def multiplexed(func: Callable | None = None, max_num_models_per_replica: int = 3) -> Callable:
    """Cache what an ``async def load(self, model_id)`` returns. TypeError, ValueError for wrong uses."""
    if func is not None:
        _check_function(func)
    if not isinstance(max_num_models_per_replica, int):
        raise TypeError("max_num_models_per_replica must be an integer.")
    if max_num_models_per_replica != -1 and max_num_models_per_replica <= 0:
        raise ValueError("max_num_models_per_replica must be positive.")

    def decorate(fn: Callable) -> Callable:
        _check_function(fn)

        @functools.wraps(fn)
        async def wrapper(*args: Any) -> Any:
            owner, model_id = _split(fn, args)
            if get_internal_replica_context() is None:
                raise RuntimeError(
                    "`@serve.multiplex` can only be used within a deployment (failed to retrieve Serve replica context)."
                )
            holder = wrapper if owner is None else owner
            caches = holder.__dict__.setdefault("__serve_multiplex_caches", {})
            cache = caches.get(fn.__name__)
            if cache is None:
                cache = caches[fn.__name__] = _ModelMultiplexWrapper(
                    fn, owner, max_num_models_per_replica
                )
            return await cache.load_model(model_id)

        return wrapper

    return decorate(func) if func is not None else decorate


def _check_function(func: Any) -> None:
    if not callable(func):
        raise TypeError("The `multiplexed` decorator must be used with a function or method.")
    if not inspect.iscoroutinefunction(func):
        raise TypeError(
            "@serve.multiplexed can only be used to decorate async functions or methods."
        )
    if len(inspect.signature(func).parameters) not in (1, 2):
        raise TypeError(
            "@serve.multiplexed can only be used to decorate functions or methods with at least one 'model_id: str' "
            "argument."
        )


def _split(fn: Callable, args: tuple) -> tuple[Any, Any]:
    """The object (None for a free function) and the model id."""
    start = "Functions decorated with `@serve.multiplexed` must take exactly onethe multiplexed model ID (str), but got "
    owner = None
    if args and getattr(getattr(type(args[0]), fn.__name__, None), "__wrapped__", None) is fn:
        owner, args = args[0], args[1:]
    if not args:
        raise TypeError(start + "no arguments are provided.")
    if len(args) > 1:
        raise TypeError(start + "more than one arguments.")
    return owner, args[0]


def get_multiplexed_model_id() -> str:
    """The model id of the request (or batch) being served; empty when it has none."""
    request = request_var.get()
    return request.multiplexed_model_id if request is not None else ""
