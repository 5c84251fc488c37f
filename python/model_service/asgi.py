# SPDX-License-Identifier: Apache-2.0
"""``@serve.ingress``: a class behind an ASGI application, with FastAPI's class-based views.

FastAPI and Starlette are loaded only where the application is one of theirs; the user has imported them then.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import sys
from collections.abc import Callable
from typing import Any

from .context import get_internal_replica_context
from .exceptions import BackPressureError, DeploymentUnavailableError, RayServeException

#: Marks an endpoint with the class whose view it is.
_OWNER = "_serve_cls"


class AsgiHolder:
    """What ``serve.ingress`` was given: an application (a copy of it), or a function that makes one in the replica."""

    def __init__(self, app: Any, builder: Callable[[], Any] | None = None):
        self.app = app
        self.builder = builder

    def make(self) -> Any:
        """The application to run. Raises what the builder raises."""
        return self.app if self.builder is None else self.builder()


def is_ingress(func_or_class: Any) -> bool:
    """Whether ``serve.ingress`` made this class."""
    return isinstance(getattr(func_or_class, "_model_service_asgi", None), AsgiHolder)


def ingress(app_or_builder: Any) -> Callable:
    """Serve HTTP requests of the decorated class by an ASGI application, or by one that a function returns.

    Raises ValueError for something that is no class or has ``__call__``, RayServeException for a view without ``self``.
    """

    def decorate(cls: type | None = None) -> type:
        if cls is None:
            cls = _empty_class()
        if not inspect.isclass(cls):
            raise ValueError("@serve.ingress must be used with a class.")
        if _has_own_call(cls):
            raise ValueError("Classes passed to @serve.ingress may not have __call__ method.")
        if _is_builder(app_or_builder):
            holder = AsgiHolder(None, app_or_builder)
        else:
            if _is_router(app_or_builder):
                make_class_based_view(app_or_builder, cls)
            holder = AsgiHolder(copy_app(app_or_builder, cls))
        return _wrap(cls, holder)

    return decorate


def _empty_class() -> type:
    class ASGIIngressDeployment:
        def __init__(self, *args: Any, **kwargs: Any):
            self.args = args
            self.kwargs = kwargs

    return ASGIIngressDeployment


def _has_own_call(cls: type) -> bool:
    return any("__call__" in base.__dict__ for base in cls.__mro__ if base is not object)


def _is_builder(value: Any) -> bool:
    """A plain function that takes no arguments makes an application; one of three is an application."""
    return (
        inspect.isfunction(value)
        and not inspect.iscoroutinefunction(value)
        and not inspect.signature(value).parameters
    )


def _is_router(value: Any) -> bool:
    fastapi = sys.modules.get("fastapi")
    return fastapi is not None and isinstance(value, (fastapi.FastAPI, fastapi.APIRouter))


def _wrap(cls: type, holder: AsgiHolder) -> type:
    """A subclass that looks like the user's class and is an ASGI application."""

    async def call(self: Any, scope: dict, receive: Callable, send: Callable) -> None:
        await self._asgi_app(scope, receive, send)

    wrapped = type(cls)(
        cls.__name__,
        (cls,),
        {
            "__module__": cls.__module__,
            "__qualname__": cls.__qualname__,
            "__doc__": cls.__doc__,
            "__call__": call,
            "_model_service_asgi": holder,
            "_asgi_app": None,
            "app": property(lambda self: self._asgi_app) if not hasattr(cls, "app") else cls.app,
        },
    )
    if "app" not in cls.__dict__ and not any("app" in base.__dict__ for base in cls.__mro__):
        del wrapped.app
    return wrapped


# --- FastAPI's class-based views -------------------------------------------------------------------------------------


async def get_current_servable_instance() -> Any:
    """The dependency behind ``self``: this replica's instance. Async, for FastAPI runs a ``def`` in a thread."""
    context = get_internal_replica_context()
    if context is None or context.servable_object is None:
        raise RayServeException("FastAPI views of a deployment only work inside its replica.")
    return context.servable_object


def make_class_based_view(app: Any, cls: type) -> None:
    """Give the routes that were made inside the class body their ``self``.

    A route belongs to the class when its endpoint's qualified name contains the class's. Its first parameter becomes a
    dependency that gives the instance, the others become keyword-only, and the route is included again, so that FastAPI
    works its dependencies out anew. RayServeException for a method without parameters.
    """
    from fastapi import APIRouter, Depends
    from fastapi.routing import APIRoute, APIWebSocketRoute

    views = APIRouter()
    for route in list(app.routes):
        if not isinstance(route, (APIRoute, APIWebSocketRoute)):
            continue
        endpoint = route.endpoint
        if (
            cls.__qualname__ not in endpoint.__qualname__
            or getattr(endpoint, _OWNER, cls) is not cls
        ):
            continue
        app.routes.remove(route)
        parameters = list(inspect.signature(endpoint).parameters.values())
        if not parameters:
            raise RayServeException(
                "Methods in FastAPI class-based view must have ``self`` as their first argument."
            )
        if not isinstance(parameters[0].default, type(Depends())):
            endpoint.__signature__ = inspect.Signature(
                [
                    parameters[0].replace(
                        default=Depends(get_current_servable_instance),
                        annotation=inspect.Parameter.empty,
                    )
                ]
                + [_keyword_only(parameter) for parameter in parameters[1:]],
                return_annotation=inspect.signature(endpoint).return_annotation,
            )
        setattr(endpoint, _OWNER, cls)
        views.routes.append(route)
    if views.routes:
        app.include_router(views)


def _keyword_only(parameter: inspect.Parameter) -> inspect.Parameter:
    if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
        return parameter
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def copy_app(app: Any, cls: type) -> Any:
    """The application as it is now: routes that are added to it later, and other classes' views, are not in the copy."""
    if not _is_starlette(app) and not _is_router(app):
        return app
    copied = copy.copy(app)
    routes = [r for r in app.routes if getattr(getattr(r, "endpoint", None), _OWNER, cls) is cls]
    if not _is_starlette(app):  # an APIRouter
        copied.routes = routes
        return copied
    copied.router = copy.copy(app.router)
    copied.router.routes = routes
    if getattr(app.router.middleware_stack, "__self__", None) is app.router:
        copied.router.middleware_stack = copied.router.app
    _make_state_picklable()
    copied.user_middleware = list(app.user_middleware)
    copied.exception_handlers = dict(app.exception_handlers)
    copied.middleware_stack = None
    if _is_router(app):
        _renew_docs(app, copied)
    return copied


def _make_state_picklable() -> None:
    """Starlette's State looks its attributes up in a dictionary that it does not have yet while it is unpickled."""
    import copyreg

    from starlette.datastructures import State

    copyreg.pickle(State, lambda state: (State, (state._state,)))


def _is_starlette(app: Any) -> bool:
    applications = sys.modules.get("starlette.applications")
    return applications is not None and isinstance(app, applications.Starlette)


def _renew_docs(app: Any, copied: Any) -> None:
    """Let /openapi.json and /docs of the copy describe the copy."""
    from starlette.routing import Route

    copied.openapi_schema = None
    copied.router.dependency_overrides_provider = copied
    own = {app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url} - {
        None
    }
    kept = [
        r
        for r in copied.router.routes
        if not (type(r) is Route and r.path in own and not r.include_in_schema)
    ]
    copied.router.routes = []
    copied.setup()
    copied.router.routes += kept


# --- running it in a replica -----------------------------------------------------------------------------------------


async def _unavailable(_: Any, error: Any) -> Any:
    from starlette.responses import PlainTextResponse

    return PlainTextResponse(error.message, status_code=503)


def start_app(instance: Any) -> Any:
    """Make the instance's application, once its constructor has run. Raises what a builder raises."""
    app = type(instance)._model_service_asgi.make()
    if hasattr(app, "add_exception_handler"):
        for error in (BackPressureError, DeploymentUnavailableError):
            app.add_exception_handler(error, _unavailable)
    instance._asgi_app = app
    return app


class Lifespan:
    """Runs an application's lifespan protocol; an application that does not know it is left alone."""

    def __init__(self, app: Any):
        self._app = app
        self._events: asyncio.Queue = asyncio.Queue()
        self._started = asyncio.Event()
        self._stopped = asyncio.Event()
        self._failure: str | None = None
        self._error: BaseException | None = None
        self._task: asyncio.Task | None = None
        self.state: dict = {}

    async def start(self) -> None:
        """Wait until the application has started. RuntimeError when it says that it cannot."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        await self._events.put({"type": "lifespan.startup"})
        await self._started.wait()
        if self._failure is not None:
            raise RuntimeError(
                f"Application startup failed.\n{self._failure}".strip()
            ) from self._error

    async def stop(self) -> None:
        """Let the application end what it began."""
        if self._task is None or self._task.done():
            return
        await self._events.put({"type": "lifespan.shutdown"})
        await self._stopped.wait()
        await asyncio.wait([self._task], timeout=5)

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._events.get, self._send)
        except Exception as e:
            # An application may refuse the protocol by raising, but not once it has said that its start failed.
            self._error = e
        finally:
            self._started.set()
            self._stopped.set()

    async def _send(self, message: dict) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._started.set()
        elif kind == "lifespan.startup.failed":
            self._failure = message.get("message", "") or "no message"
            self._started.set()
        else:
            self._stopped.set()


# --- route names ---------------------------------------------------------------------------------


def get_asgi_route_name(app: Any, scope: dict) -> str | None:
    """The template of the route that serves the scope, mounts included; None when none does."""
    from starlette.routing import Match, Mount

    def search(routes: list, scope: dict) -> str | None:
        for route in routes:
            match, child = route.matches(scope)
            if match is not Match.FULL:
                continue
            if not isinstance(route, Mount):
                return route.path
            inner = search(route.routes or [], {**scope, **child})
            return route.path if inner is None else route.path + inner
        return None

    return search(app.routes, dict(scope))


def extract_route_patterns(app: Any) -> list[str]:
    """The templates of all routes, mounts included, sorted."""

    def gather(routes: list, prefix: str) -> set[str]:
        found: set[str] = set()
        for route in routes:
            path = prefix + getattr(route, "path", "")
            inner = getattr(route, "routes", None)
            found |= gather(inner, path) if inner else {path}
        return found

    return sorted(gather(app.routes, ""))
