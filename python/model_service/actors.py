# SPDX-License-Identifier: Apache-2.0
"""``ray.remote``: tasks and actors, as replicas of hidden applications (DESIGN §6).

An actor is an application of one replica that takes no CPU; its methods are called through an ordinary handle, so an
actor's handle works wherever a deployment's does. Tasks run in threads of one more such application.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import uuid
from collections.abc import Callable
from typing import Any

from . import attach, client
from .context import get_internal_replica_context
from .deployment import Deployment, deployment
from .exceptions import ActorDiedError, RayServeException
from .handle import DeploymentHandle
from .refs import ObjectRef

_ACTOR = client.HIDDEN + "actor_"
_TASKS = client.HIDDEN + "tasks"
_CONCURRENT_CALLS = 1000

_made: set[str] = set()  # applications that this process has made and that go with it
_lock = threading.Lock()


def _deploy(target: Deployment, args: tuple, kwargs: dict, name: str) -> None:
    """Run a hidden application and wait for it."""
    served = client.ServeControllerClient(attach.connect())
    served.deploy(target.bind(*args, **kwargs), name, None, {"enable_access_log": False})
    served.wait_until_running(name)


def _hidden_deployment(cls: type, concurrent: int, options: dict) -> Deployment:
    resources = {
        key: options[key]
        for key in ("num_gpus", "resources", "memory", "runtime_env")
        if options.get(key)
    }
    return deployment(
        name="actor",
        max_ongoing_requests=concurrent,
        graceful_shutdown_wait_loop_s=0,
        graceful_shutdown_timeout_s=0.5,
        max_constructor_retry_count=1,
        ray_actor_options={"num_cpus": 0, **resources},
        logging_config={"enable_access_log": False},
    )(cls)


# --- actors -------------------------------------------------------------------------------------


class ActorMethod:
    """``handle.method``: call it by ``.remote()``."""

    def __init__(self, handle: DeploymentHandle):
        self._handle = handle

    def remote(self, *args: Any, **kwargs: Any) -> ObjectRef:
        return ObjectRef.from_response(self._handle.remote(*args, **kwargs))

    def options(self, **_: Any) -> ActorMethod:
        return self


class ActorHandle:
    """Calls an actor; picklable."""

    def __init__(self, app: str):
        self._app = app
        self._actor_id = app.removeprefix(_ACTOR)

    def __getattr__(self, name: str) -> ActorMethod:
        if name.startswith("__") and name != "__call__" or name in ("_app", "_actor_id"):
            raise AttributeError(name)
        return ActorMethod(client.get_handle("actor", self._app).options(method_name=name))

    def __reduce__(self):
        return ActorHandle, (self._app,)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, ActorHandle) and other._app == self._app

    def __hash__(self) -> int:
        return hash(self._app)

    def __repr__(self) -> str:
        return f"Actor({self._actor_id})"


class ActorClass:
    """A class decorated with ``@ray.remote``: make actors of it by ``.remote()``."""

    def __init__(self, cls: type, options: dict):
        self._cls = cls
        self._options = options

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            f"Actors cannot be instantiated directly. Instead of '{self._cls.__name__}()', use "
            f"'{self._cls.__name__}.remote()'."
        )

    def options(self, **options: Any) -> ActorClass:
        return ActorClass(self._cls, {**self._options, **options})

    def remote(self, *args: Any, **kwargs: Any) -> ActorHandle:
        """Start an actor. ValueError for a name that another has; RuntimeError when it does not start."""
        name = self._options.get("name")
        if name and client.lookup(_ACTOR + name) is not None:
            if self._options.get("get_if_exists"):
                return ActorHandle(_ACTOR + name)
            raise ValueError(f"The name {name} is already taken.")
        app = _ACTOR + (name or uuid.uuid4().hex)
        is_async = any(
            inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)
            for _, member in inspect.getmembers(self._cls, inspect.isfunction)
        )
        concurrent = self._options.get("max_concurrency") or (_CONCURRENT_CALLS if is_async else 1)
        _deploy(_hidden_deployment(self._cls, concurrent, self._options), args, kwargs, app)
        if self._options.get("lifetime") != "detached":
            _made.add(app)
        return ActorHandle(app)


# --- tasks --------------------------------------------------------------------------------------


class _Tasks:
    """Runs functions in threads, so that one that waits does not stop the others."""

    def __init__(self) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._pool = ThreadPoolExecutor(64, "task")

    async def run(self, pickled: bytes, *args: Any, **kwargs: Any) -> Any:
        import contextvars
        import pickle

        function = pickle.loads(pickled)
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._pool, lambda: context.run(function, *args, **kwargs)
        )


class RemoteFunction:
    """A function decorated with ``@ray.remote``: run it elsewhere by ``.remote()``."""

    def __init__(self, function: Callable, options: dict):
        self._function = function
        self._options = options
        self.__name__ = getattr(function, "__name__", "function")
        self.__doc__ = function.__doc__

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            f"Remote functions cannot be called directly. Instead of running '{self.__name__}()', try "
            f"'{self.__name__}.remote()'."
        )

    def options(self, **options: Any) -> RemoteFunction:
        return RemoteFunction(self._function, {**self._options, **options})

    def remote(self, *args: Any, **kwargs: Any) -> ObjectRef:
        """Run the function in another process."""
        from . import serialize

        pickled = serialize.dumps_by_value(self._function)
        handle = _task_handle().options(method_name="run")
        return ObjectRef.from_response(handle.remote(pickled, *args, **kwargs))


def _task_handle() -> DeploymentHandle:
    with _lock:
        if client.lookup_or_none(_TASKS) is None:
            _deploy(_hidden_deployment(_Tasks, _CONCURRENT_CALLS, {}), (), {}, _TASKS)
            _made.add(_TASKS)
        return client.get_handle("actor", _TASKS)


# --- the functions of ray ------------------------------------------------------------------------


def remote(*args: Any, **options: Any) -> Any:
    """Make a function a task, or a class an actor; usable bare or with options."""
    if len(args) == 1 and not options and callable(args[0]):
        return _remote(args[0], {})
    if args:
        raise TypeError("The @ray.remote decorator takes keyword arguments only.")
    return lambda target: _remote(target, options)


def _remote(target: Any, options: dict) -> Any:
    return (
        ActorClass(target, options) if inspect.isclass(target) else RemoteFunction(target, options)
    )


def get_actor(name: str, namespace: str | None = None) -> ActorHandle:
    """The actor of that name. ValueError when there is none."""
    if client.lookup_or_none(_ACTOR + name) is None:
        raise ValueError(
            f"Failed to look up actor with name '{name}'. This could because 1. You are trying to look up a named "
            "actor you didn't create. 2. The named actor died. 3. You did not use a namespace matching the namespace "
            "of the actor."
        )
    return ActorHandle(_ACTOR + name)


class SelfActor:
    """The replica this code runs in, as ``ray.get_runtime_context().current_actor``."""

    def __init__(self) -> None:
        context = get_internal_replica_context()
        if context is None:
            raise RuntimeError("current_actor is only there inside a replica or an actor.")
        self._actor_id = context.replica_tag


def kill(actor: Any, *, no_restart: bool = True) -> None:
    """End an actor at once, or, inside a replica, the replica itself."""
    if isinstance(actor, SelfActor):
        os._exit(1)
    if not isinstance(actor, ActorHandle):
        raise ValueError(f"ray.kill() only supported for actors. Got: {type(actor)}.")
    client.ServeControllerClient(attach.connect()).delete(actor._app, blocking=True)
    _made.discard(actor._app)


def cancel(ref: ObjectRef, *, force: bool = False, recursive: bool = True) -> None:
    """Cancel the work behind a reference."""
    if ref._response is not None:
        ref._response.cancel()


def end_with_process() -> None:
    """Delete what this process has made in an instance that outlives it."""
    connection = attach.current()
    names, copy = list(_made), set(_made)
    _made.difference_update(copy)
    if connection is None or connection.own is not None:
        return
    for name in names:
        try:
            client.ServeControllerClient(connection).delete(name, blocking=False)
        except (OSError, RayServeException, ActorDiedError):
            return
