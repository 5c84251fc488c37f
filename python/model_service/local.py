# SPDX-License-Identifier: Apache-2.0
"""Local testing mode: an application inside the calling process, each deployment on a loop thread of its own (§4.13)."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from typing import Any

from . import exceptions, options, serialize
from .call import Call
from .context import RequestContext, request_var, set_replica_context
from .deployment import Application, Deployment
from .handle import DeploymentHandle
from .servable import Servable

_deployments: dict[tuple[str, str], _LocalReplica] = {}


class _LocalReplica:
    """A deployment's servable and the thread whose loop it lives on."""

    def __init__(
        self, deployment: Deployment, name: str, app: str, init_args: tuple, init_kwargs: dict
    ):
        content = {
            "func_or_class": deployment.func_or_class,
            "init_args": init_args,
            "init_kwargs": init_kwargs,
        }
        config = {key: deployment._option(key) for key in ("max_ongoing_requests", "user_config")}
        self.servable = Servable(content, app, name, "local", config, local=True)
        self.loop = asyncio.new_event_loop()
        self.context = contextvars.Context()
        self.context.run(set_replica_context, self.servable.context, local=True)
        self._thread = threading.Thread(
            target=self.context.run, args=(self._serve,), name=f"local:{app}:{name}"
        )
        self._thread.daemon = True
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.servable.start(), self.loop).result()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def submit(self, call: Call, args: bytes, request: RequestContext) -> None:
        """Begin a call on the loop."""
        self.loop.call_soon_threadsafe(
            self._begin, call, args, request, context=self.context.copy()
        )

    def _begin(self, call: Call, args: bytes, request: RequestContext) -> None:
        if call.done:
            return
        request_var.set(request)
        task = self.loop.create_task(self._run(call, args))

        def cancel() -> None:
            task.cancel()
            request.cancel_children()

        call.on_cancel = lambda: self.loop.call_soon_threadsafe(cancel)

    async def _run(self, call: Call, args: bytes) -> None:
        try:
            arguments, keywords = serialize.loads(args)
            if call.streaming:
                async for item in self.servable.stream(call.method, arguments, keywords):
                    call.add_item(serialize.dumps(item))
                call.finish(None)
            else:
                call.finish(
                    serialize.dumps(await self.servable.call(call.method, arguments, keywords))
                )
        except asyncio.CancelledError:
            call.fail(exceptions.RequestCancelledError(call.request_id))
        except BaseException as e:
            call.fail_wire(exceptions.USER, str(e), exceptions.dump_error(e))

    def stop(self) -> None:
        """Run the destructor and end the loop."""
        asyncio.run_coroutine_threadsafe(self.servable.stop(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)


class LocalTransport:
    """Calls within the process."""

    def send(
        self, call: Call, app: str, args: bytes, route: str, model_id: str, timeout_ms: int
    ) -> None:
        replica = _deployments.get((app, call.deployment.name))
        if replica is None:
            call.fail(exceptions.RayServeException(f"{call.deployment} does not exist."))
            return
        replica.submit(call, args, RequestContext(call.request_id, app, route, model_id))

    def wait(self, event: threading.Event, timeout_s: float | None) -> bool:
        return event.wait(timeout_s)

    def lookup(self, app: str) -> dict | None:
        raise exceptions.RayServeException("Local testing mode has no application handles.")


_transport = LocalTransport()


class _LocalHandle(DeploymentHandle):
    """A handle whose calls stay in the process."""

    def __reduce__(self):
        return _rebuild, (self.deployment_name, self.app_name, self.handle_options)


def _rebuild(deployment: str, app: str, handle_options: Any) -> DeploymentHandle:
    handle = _LocalHandle(deployment, app, handle_options=handle_options)
    handle._shared.fixed_transport = _transport
    return handle


def run(app: Application, name: str) -> DeploymentHandle:
    """Construct every deployment of the application; its ingress's handle. Constructors' exceptions propagate."""
    for key in [key for key in _deployments if key[0] == name]:
        _deployments.pop(key).stop()
    return _Builder(name).visit(app)


class _Builder:
    """Walks a bind graph as ``build.Walk`` does, with handles in the arguments."""

    def __init__(self, app_name: str):
        self._app_name = app_name
        self._handles: dict[int, DeploymentHandle] = {}
        self._used: set[str] = set()

    def visit(self, app: Application) -> DeploymentHandle:
        if id(app) in self._handles:
            return self._handles[id(app)]
        deployment = app._bound_deployment
        args = self._with_handles(deployment.init_args)
        kwargs = self._with_handles(deployment.init_kwargs)
        name, n = deployment.name, 0
        while name in self._used:
            n += 1
            name = f"{deployment.name}_{n}"
        self._used.add(name)
        options.check_together(deployment._options)
        _deployments[(self._app_name, name)] = _LocalReplica(
            deployment, name, self._app_name, args, kwargs
        )
        handle = self._handles[id(app)] = _rebuild(name, self._app_name, None)
        return handle

    def _with_handles(self, value: Any) -> Any:
        """A copy of containers and plain objects in which bound Applications have become handles."""
        if isinstance(value, Application):
            return self.visit(value)
        if isinstance(value, (list, tuple, set)) and type(value) in (list, tuple, set):
            return type(value)(self._with_handles(inner) for inner in value)
        if type(value) is dict:
            return {key: self._with_handles(inner) for key, inner in value.items()}
        attributes = getattr(value, "__dict__", None)
        if attributes and not inspect.isclass(value) and not callable(value):
            for key, inner in list(attributes.items()):
                if isinstance(inner, (Application, list, tuple, dict)):
                    attributes[key] = self._with_handles(inner)
        return value


def shutdown() -> None:
    """Stop everything that runs locally."""
    while _deployments:
        _deployments.popitem()[1].stop()
