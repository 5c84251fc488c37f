# SPDX-License-Identifier: Apache-2.0
"""A deployment's function or object, and how each of its hooks and methods is called.

Everything here runs on the user's loop. The module knows nothing of links and messages: replicas and local testing mode
use it alike.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import logging
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

from .asgi import Lifespan, is_ingress, start_app
from .context import DeploymentID, ReplicaContext, ReplicaID, set_replica_context
from .exceptions import RayServeException

logger = logging.getLogger("ray.serve")

RUN_SYNC_IN_THREADS = os.environ.get("RAY_SERVE_RUN_SYNC_IN_THREADPOOL", "0") == "1"


class Method:
    """A callable and what inspecting it once has told."""

    __slots__ = ("fn", "is_async", "name", "takes_arguments")

    def __init__(self, name: str, fn: Callable):
        self.name = name
        self.fn = fn
        # functools.partial objects and wrapped functions are seen through, other callables are just called.
        self.is_async = inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn)
        self.takes_arguments = _takes_arguments(fn)

    @property
    def in_thread(self) -> bool:
        """Whether the environment wants this one in a thread."""
        return (
            RUN_SYNC_IN_THREADS
            and not self.is_async
            and (inspect.isfunction(self.fn) or inspect.ismethod(self.fn))
        )


def _takes_arguments(fn: Callable) -> bool:
    try:
        return bool(inspect.signature(fn).parameters)
    except (TypeError, ValueError):
        return True


async def run(fn: Callable, *args: Any) -> Any:
    """Call a hook that may be sync or async."""
    if RUN_SYNC_IN_THREADS and not inspect.iscoroutinefunction(fn):
        from anyio import to_thread

        result = await to_thread.run_sync(functools.partial(fn, *args))
    else:
        result = fn(*args)
    return await result if inspect.isawaitable(result) else result


class Servable:
    """One replica's function or object."""

    def __init__(
        self,
        content: dict,
        app: str,
        deployment: str,
        replica_id: str,
        config: dict,
        local: bool = False,
    ):
        self._target = content["func_or_class"]
        self._init_args = content["init_args"]
        self._init_kwargs = content["init_kwargs"]
        self._config = config
        self._local = local
        self._lifespan: Lifespan | None = None
        self._methods: dict[str, Method] = {}
        self._constructed = False
        self.is_function = not inspect.isclass(self._target)
        self.is_asgi = is_ingress(self._target)
        self.instance: Any = self._target if self.is_function else None
        self.asgi_app: Any = None
        self.context = ReplicaContext(
            ReplicaID(replica_id, DeploymentID(deployment, app)), _deployment_config=config
        )

    # --- its life ---

    async def start(self) -> None:
        """Construct, start the ASGI application, configure, check health. Raises what user code raises."""
        self._publish()
        if not self.is_function:
            self.instance = self._target.__new__(self._target)
            self.context.servable_object = self.instance
            made = self._target.__init__(self.instance, *self._init_args, **self._init_kwargs)
            if inspect.isawaitable(made):
                await made
        else:
            self.context.servable_object = self._target
        self._constructed = True
        if self.is_asgi:
            self.asgi_app = start_app(self.instance)
            self._lifespan = Lifespan(self.asgi_app)
            await self._lifespan.start()
        await self._limit_threads()
        if self._config.get("user_config") is not None:
            await self.reconfigure(self._config["user_config"])
        await self.check_health()

    @property
    def lifespan_state(self) -> dict:
        """What the application's lifespan left for its requests."""
        return self._lifespan.state if self._lifespan is not None else {}

    def _publish(self) -> None:
        set_replica_context(self.context, local=self._local)

    async def _limit_threads(self) -> None:
        """FastAPI runs ``def`` endpoints in anyio's threads: as many as requests may run at once."""
        import sys

        if self.asgi_app is None and "anyio" not in sys.modules:
            return
        from anyio import to_thread

        to_thread.current_default_thread_limiter().total_tokens = self._config.get(
            "max_ongoing_requests", 5
        )

    async def update(self, config: dict) -> None:
        """Apply a new config; the user is told only of a new user_config. Raises what ``reconfigure`` raises."""
        old, self._config = self._config, config
        self.context._deployment_config = config
        await self._limit_threads()
        if config.get("user_config") is not None and config["user_config"] != old.get(
            "user_config"
        ):
            await self.reconfigure(config["user_config"])

    async def reconfigure(self, user_config: Any) -> None:
        """Give the user a copy of the user_config of their own. RayServeException, ValueError for one who takes none."""
        if self.is_function:
            raise ValueError("deployment_def must be a class to use user_config")
        if not hasattr(self.instance, "reconfigure"):
            raise RayServeException(
                f"user_config specified but deployment {self.context.deployment} missing reconfigure method"
            )
        await run(self.instance.reconfigure, copy.deepcopy(user_config))

    async def check_health(self) -> None:
        """Ask the user's ``check_health``, if there is one. Raises what it raises."""
        check = getattr(self.instance, "check_health", None)
        if check is not None and not self.is_function:
            await run(check)

    async def stop(self) -> None:
        """End the lifespan, run the destructor once, unload models. Errors are logged."""
        if not self._constructed:
            return
        self._constructed = False
        try:
            if self._lifespan is not None:
                await self._lifespan.stop()
            await self._destroy()
            for cache in list(getattr(self.instance, "__serve_multiplex_caches", {}).values()):
                await cache.shutdown()
        except Exception:
            logger.exception("Exception during graceful shutdown of replica.")

    async def _destroy(self) -> None:
        destructor = None if self.is_function else getattr(type(self.instance), "__del__", None)
        if destructor is None:
            return
        cls = type(self.instance)
        result = destructor(self.instance)
        if inspect.isawaitable(result):
            await result
        # Once only: the interpreter must not run it again when the object goes.
        owner = next((base for base in cls.__mro__ if "__del__" in base.__dict__), None)
        if owner is not None:
            try:
                owner.__del__ = lambda self: None
            except TypeError:
                pass

    # --- its methods ---

    @property
    def method_names(self) -> list[str]:
        """What a caller may call by name, beside ``__call__``."""
        return [
            name
            for name in dir(self.instance)
            if not name.startswith("__") and callable(getattr(self.instance, name, None))
        ]

    def method(self, name: str) -> Method:
        """The method of that name. RayServeException when there is none."""
        known = self._methods.get(name)
        if known is None:
            known = self._methods[name] = Method(name, self._find(name))
        return known

    def _find(self, name: str) -> Callable:
        if self.is_function:
            return self.instance  # A function deployment has one method, whatever it is called.
        fn = getattr(self.instance, name, None)
        if fn is None or not callable(fn):
            raise RayServeException(
                f"Tried to call a method '{name}' that does not exist. Available methods: {self.method_names}."
            )
        return fn

    async def call(self, name: str, args: tuple, kwargs: dict) -> Any:
        """The result of a unary call. TypeError when the method turns out to generate."""
        method = self.method(name)
        result = await self._invoke(method, args, kwargs)
        if inspect.isgenerator(result) or inspect.isasyncgen(result):
            await _close(result)
            raise TypeError(
                f"Method '{name}' returned a generator. You must use `handle.options(stream=True)` to call generators "
                "on a deployment."
            )
        return result

    async def stream(self, name: str, args: tuple, kwargs: dict) -> AsyncIterator[Any]:
        """The results of a streaming call. TypeError when the method does not generate."""
        method = self.method(name)
        result = await self._invoke(method, args, kwargs)
        if inspect.isasyncgen(result) or hasattr(result, "__anext__"):
            try:
                async for item in result:
                    yield item
            finally:
                await _close(result)
        elif inspect.isgenerator(result) or hasattr(result, "__next__"):
            try:
                for item in result:
                    yield item
                    await asyncio.sleep(
                        0
                    )  # Cancelling and other requests get their turn between two items.
            finally:
                await _close(result)
        else:
            raise TypeError(
                f"Called method '{name}' with `handle.options(stream=True)` but it did not return a generator."
            )

    async def _invoke(self, method: Method, args: tuple, kwargs: dict) -> Any:
        if method.in_thread:
            from anyio import to_thread

            result = await to_thread.run_sync(functools.partial(method.fn, *args, **kwargs))
        else:
            result = method.fn(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result


async def _close(generator: Any) -> None:
    try:
        if hasattr(generator, "aclose"):
            await generator.aclose()
        elif hasattr(generator, "close"):
            generator.close()
    except Exception:
        logger.exception("Closing a generator failed.")
