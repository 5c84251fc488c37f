# SPDX-License-Identifier: Apache-2.0
"""Serves the requests that the link brings, on the user's loop.

One reader callback drains the link and begins everything it brought. A plain ``def`` is called right there; whatever is
async gets one task. Each request is answered exactly once: by its handler, or here when the handler was cancelled
before it began.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from . import exceptions, serialize
from .call import LinkTransport
from .context import RequestContext, request_var
from .encode import TEXT, encode
from .exceptions import BackPressureError, DeploymentUnavailableError
from .logs import ReplicaLog
from .running import Receive, Running, Send
from .servable import Servable

logger = logging.getLogger("ray.serve")

INTERNAL_ERROR = b"Internal Server Error"
CLIENT_GONE = 499  # in access lines
_clock = time.perf_counter


class Host:
    """Connects a link and a servable."""

    def __init__(self, link: Any, servable: Servable, log: ReplicaLog, route_prefix: str | None):
        self.link = link
        self.transport = LinkTransport(link)
        self.transport.wait = self._wait_in_thread
        self.on_control: Callable[[str, str], None] = lambda name, body: None
        self.running: dict[int, Running] = {}
        self._servable = servable
        self._log = log
        self._route_prefix = route_prefix
        self._loop: asyncio.AbstractEventLoop | None = None
        self._drain_lock = threading.Lock()
        self._events: deque = deque()
        self._http: Callable[..., None] = self._http_not_ready
        self._router_is_up: asyncio.Event = asyncio.Event()

    # --- events ---

    def attach(self) -> None:
        """Begin to serve the link's events on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.link.fileno(), self._pump)

    async def wait_for_router(self, timeout_s: float) -> None:
        """Wait until the link to the router is up, for so long at most."""
        try:
            await asyncio.wait_for(self._router_is_up.wait(), timeout_s)
        except TimeoutError:
            logger.warning("The node's proxy cannot be reached yet.")

    def detach(self) -> None:
        """Take no more events."""
        if self._loop is not None:
            self._loop.remove_reader(self.link.fileno())
            self._loop = None

    def _pump(self) -> None:
        with self._drain_lock:
            self._events.extend(self.link.drain(True))
        self._take_events()
        self._loop.call_soon(self.link.flush)

    def _take_events(self) -> None:
        events = self._events
        while events:
            event = events.popleft()
            kind = event[0]
            try:
                if kind == "http":
                    self._http(event)
                elif kind == "call":
                    self._begin_call(event)
                elif kind in ("done", "item", "error", "started"):
                    self.transport.dispatch(event)
                else:
                    self._take_rare(kind, event)
            except Exception:
                logger.exception(f"An event of kind {kind} failed.")

    def _take_rare(self, kind: str, event: tuple) -> None:
        if kind == "control":
            self.on_control(event[1], event[2])
            return
        if kind == "link":
            if event[1] == "router" and event[2]:
                self._router_is_up.set()
            return
        running = self.running.get(event[1])
        if running is None:
            return
        if kind == "body" and running.receive is not None:
            running.receive.add(event[2], event[3])
        elif kind == "cancel":
            self._cancel(running)
        elif kind == "writable" and running.writable is not None and not running.writable.done():
            running.writable.set_result(None)

    def _wait_in_thread(self, event: threading.Event, timeout_s: float | None) -> bool:
        """A thread waits for a call. When the loop is busy with user code the thread drains the link itself."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        in_loop = asyncio._get_running_loop() is self._loop  # user code blocks the loop, and so us
        pause = 0.02
        while not event.is_set():
            left = pause if deadline is None else min(pause, deadline - time.monotonic())
            if left <= 0:
                return False
            if in_loop:
                self.link.wait(left)
            elif event.wait(left):
                return True
            self._drain_for_loop()
            pause = min(pause * 1.5, 0.25)
        return True

    def _drain_for_loop(self) -> None:
        with self._drain_lock:
            events = self.link.drain()
            mine = [e for e in events if e[0] in ("done", "item", "error", "started")]
            self._events.extend(
                e for e in events if e[0] not in ("done", "item", "error", "started")
            )
        for event in mine:
            self.transport.dispatch(event)
        if self._events and self._loop is not None:
            self._loop.call_soon_threadsafe(self._take_events)

    # --- beginning ---

    def ready(self) -> None:
        """The servable is constructed: choose, once, how its HTTP requests are begun."""
        servable = self._servable
        if servable.is_asgi:
            self._http = self._begin_asgi
            return
        try:
            method = servable.method("__call__")
        except exceptions.RayServeException:
            self._http = self._http_no_call
            return
        self._http_method = method
        if method.takes_arguments:
            import starlette.requests  # noqa: F401  Before the first request, not in it.

            self._request_class = starlette.requests.Request
        plain = not method.is_async and not method.in_thread
        is_function = inspect.isfunction(method.fn) or inspect.ismethod(method.fn)
        self._http = self._begin_sync if plain and is_function else self._begin_async

    def _http_not_ready(self, event: tuple) -> None:
        self.link.error(event[1], exceptions.NOT_TAKEN, "The replica is not ready.", b"")

    def _http_no_call(self, event: tuple) -> None:
        """A class without ``__call__``: fails like the call that it is."""
        rid, scope = event[1], event[2]
        running = Running(rid, _http_context(scope), scope["method"])
        running.started_at = _clock()
        try:
            self._servable.method("__call__")
        except exceptions.RayServeException as e:
            self._fail_http(running, e)

    def _begin_sync(self, event: tuple) -> None:
        """Call a plain function here and now."""
        _, rid, scope, body, complete = event
        context = _http_context(scope)
        method = self._http_method
        self.link.started(rid)
        started_at = _clock()
        token = request_var.set(context)
        receive = None
        try:
            if method.takes_arguments:
                receive = Receive(self.link, rid, body, complete)
                value = method.fn(self._request_class(scope, receive))
            else:
                value = method.fn()
            if type(value) is bytes:
                self.link.respond(rid, 200, TEXT, value)
                if self._log.access:
                    self._log.request(context, scope["method"], self._route(scope), 200, started_at)
                return
        except Exception as e:
            self._fail_http(_begun(rid, context, scope, started_at), e)
            return
        finally:
            request_var.reset(token)
        running = _begun(rid, context, scope, started_at)
        if inspect.isawaitable(value) or _is_response(value):
            running.receive = receive or Receive(self.link, rid, body, complete)
            self._spawn(running, self._finish_http(running, scope, value))
        else:
            self._answer_plain(running, scope, value)

    def _begin_async(self, event: tuple) -> None:
        _, rid, scope, body, complete = event
        running = Running(
            rid, _http_context(scope), scope["method"], Receive(self.link, rid, body, complete)
        )
        self._spawn(running, self._run_http(running, scope))

    def _begin_asgi(self, event: tuple) -> None:
        _, rid, scope, body, complete = event
        running = Running(
            rid, _http_context(scope), scope["method"], Receive(self.link, rid, body, complete)
        )
        self._spawn(running, self._run_asgi(running, scope, self._servable.asgi_app))

    def _begin_call(self, event: tuple) -> None:
        _, rid, (name, request_id, _app, route, model_id, streaming), args = event
        app = self._servable.context.app_name
        running = Running(rid, RequestContext(request_id, app, route, model_id), name)
        run = self._run_stream if streaming else self._run_call
        self._spawn(running, run(running, name, args))

    def _spawn(self, running: Running, coroutine: Any) -> None:
        self.running[running.rid] = running
        token = request_var.set(running.context)
        running.task = self._loop.create_task(coroutine)
        request_var.reset(token)

    def _cancel(self, running: Running) -> None:
        """The opener is gone: at its next await user code gets CancelledError; the calls it made are cancelled too."""
        if running.cancelled:
            return
        running.cancelled = True
        if running.task is not None:
            running.task.cancel()
        running.context.cancel_children()
        if running.receive is not None:
            running.receive.end()
        if running.started_at == 0.0:  # Its coroutine will never run, so it cannot answer.
            self.running.pop(running.rid, None)
            self.link.error(running.rid, exceptions.CANCELLED, "", b"")

    # --- HTTP ---

    async def _run_http(self, running: Running, scope: dict) -> None:
        self.link.started(running.rid)
        running.started_at = _clock()
        method = self._http_method
        try:
            if method.in_thread:
                from anyio import to_thread

                arguments = (
                    (self._request_class(scope, running.receive),) if method.takes_arguments else ()
                )
                value = await to_thread.run_sync(method.fn, *arguments)
            elif method.takes_arguments:
                value = method.fn(self._request_class(scope, running.receive))
            else:
                value = method.fn()
            if inspect.isawaitable(value):
                value = await value
            if _is_response(value):
                await self._run_response(running, scope, value)
                return
            if type(value) is bytes:
                self.link.respond(running.rid, 200, TEXT, value)
                self._done(running, scope, 200)
            else:
                self._answer_plain(running, scope, value)
        except asyncio.CancelledError:
            self._answer_cancelled(running)
        except Exception as e:
            self._fail_http(running, e)
        finally:
            self.running.pop(running.rid, None)

    async def _finish_http(self, running: Running, scope: dict, value: Any) -> None:
        """A function that is not ``async def`` returned something that has to be awaited, or a Response."""
        try:
            if inspect.isawaitable(value):
                value = await value
            if _is_response(value):
                await self._run_response(running, scope, value)
            else:
                self._answer_plain(running, scope, value)
        except asyncio.CancelledError:
            self._answer_cancelled(running)
        except Exception as e:
            self._fail_http(running, e)
        finally:
            self.running.pop(running.rid, None)

    def _answer_plain(self, running: Running, scope: dict, value: Any) -> None:
        try:
            headers, body = encode(value)
        except Exception as e:
            self._fail_http(running, e)
            return
        self.link.respond(running.rid, 200, headers, body)
        self._done(running, scope, 200)

    async def _run_response(self, running: Running, scope: dict, response: Any) -> None:
        """Run a returned Response. A whole one without background work needs no ASGI."""
        body = getattr(response, "body", None)
        if (
            type(body) is bytes
            and type(response).__call__ is _response_call()
            and response.background is None
        ):
            self.link.respond(running.rid, response.status_code, response.raw_headers, body)
            self._done(running, scope, response.status_code)
            return
        await self._asgi(running, scope, response)

    async def _run_asgi(self, running: Running, scope: dict, app: Callable) -> None:
        self.link.started(running.rid)
        running.started_at = _clock()
        try:
            state = self._servable.lifespan_state
            if state:
                scope["state"] = dict(state)
            await self._asgi(running, scope, app)
        except asyncio.CancelledError:
            self._answer_cancelled(running)
        except Exception as e:
            self._fail_http(running, e)
        finally:
            self.running.pop(running.rid, None)

    async def _asgi(self, running: Running, scope: dict, app: Callable) -> None:
        send = Send(self, running)
        try:
            await app(scope, running.receive, send)
        except Exception as e:
            if not send.ended:
                raise
            # The client has its answer (Starlette answers 500 and raises on): the log has the rest.
            self._log_failure(e)
        if not send.ended:
            raise RuntimeError("The application ended without a whole response.")
        self._done(running, scope, send.head[0])

    async def wait_writable(self, running: Running) -> None:
        """Wait until the client has read enough, or is gone."""
        if running.cancelled:
            return
        running.writable = self._loop.create_future()
        try:
            await running.writable
        finally:
            running.writable = None

    def _fail_http(self, running: Running, error: Exception) -> None:
        if running.cancelled:  # Whatever came of it, nobody waits for it.
            self._answer_cancelled(running)
            return
        if isinstance(error, (BackPressureError, DeploymentUnavailableError)):
            self.link.respond(running.rid, 503, TEXT, error.message.encode())
            status = 503
        else:
            self._log_failure(error)
            self.link.error(running.rid, exceptions.USER, INTERNAL_ERROR.decode(), b"")
            status = 500
        self.running.pop(running.rid, None)
        if self._log.access:
            self._log.request(
                running.context, running.method, running.context.route, status, running.started_at
            )

    def _log_failure(self, error: BaseException) -> None:
        logger.error("Request failed.\n%s", exceptions.format_user_error(error).rstrip())

    def _answer_cancelled(self, running: Running) -> None:
        if not running.cancelled:  # User code cancelled itself.
            self._fail_http(
                running, RuntimeError("The request's task was cancelled by its own code.")
            )
            return
        self.link.error(running.rid, exceptions.CANCELLED, "", b"")
        if self._log.access:
            self._log.request(
                running.context,
                running.method,
                running.context.route,
                CLIENT_GONE,
                running.started_at,
            )

    def _done(self, running: Running, scope: dict, status: int) -> None:
        if running.receive is not None:
            running.receive.end()
        if self._log.access:
            self._log.request(
                running.context,
                running.method,
                self._route(scope),
                CLIENT_GONE if running.cancelled else status,
                running.started_at,
            )

    def _route(self, scope: dict) -> str:
        """The pattern that the application matched, behind the prefix; else the prefix."""
        prefix = scope["model_service"][2] or "/"
        matched = getattr(scope.get("route"), "path", None)
        if matched is None:
            return prefix
        return (prefix.rstrip("/") + matched) or "/"

    # --- handle calls ---

    async def _run_call(self, running: Running, name: str, args: bytes) -> None:
        self.link.started(running.rid)
        running.started_at = _clock()
        status = "OK"
        try:
            arguments, keywords = serialize.loads(args)
            value = await self._servable.call(name, arguments, keywords)
            self.link.result(running.rid, serialize.dumps(value))
        except asyncio.CancelledError:
            status = self._fail_call_cancelled(running)
        except BaseException as e:
            status = self._fail_call(running, e)
        finally:
            self._call_ended(running, status)

    async def _run_stream(self, running: Running, name: str, args: bytes) -> None:
        self.link.started(running.rid)
        running.started_at = _clock()
        status = "OK"
        try:
            arguments, keywords = serialize.loads(args)
            results = self._servable.stream(name, arguments, keywords)
            try:
                async for item in results:
                    if not self.link.chunk(running.rid, serialize.dumps(item), False):
                        await self.wait_writable(running)
            finally:
                await results.aclose()
            self.link.chunk(running.rid, b"", True)
        except asyncio.CancelledError:
            status = self._fail_call_cancelled(running)
        except BaseException as e:
            status = self._fail_call(running, e)
        finally:
            self._call_ended(running, status)

    def _fail_call(self, running: Running, error: BaseException) -> str:
        if not isinstance(error, (BackPressureError, DeploymentUnavailableError)):
            self._log_failure(error)
        self.link.error(
            running.rid, exceptions.USER, str(error)[:1000], exceptions.dump_error(error)
        )
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            logger.warning(
                "User code asked the process to end; a replica ends only when it is stopped."
            )
        return "ERROR"

    def _fail_call_cancelled(self, running: Running) -> str:
        if not running.cancelled:
            return self._fail_call(running, exceptions.TaskCancelledError())
        self.link.error(running.rid, exceptions.CANCELLED, "", b"")
        return "CANCELLED"

    def _call_ended(self, running: Running, status: str) -> None:
        self.running.pop(running.rid, None)
        if self._log.access:
            self._log.request(running.context, "CALL", running.method, status, running.started_at)


def _begun(rid: int, context: RequestContext, scope: dict, started_at: float) -> Running:
    running = Running(rid, context, scope["method"])
    running.started_at = started_at
    return running


def _http_context(scope: dict) -> RequestContext:
    request_id, app, route, model_id, timeout_ms = scope["model_service"]
    return RequestContext(request_id, app, route or "", model_id, timeout_ms, True)


def _response_call() -> Any:
    return sys.modules["starlette.responses"].Response.__call__


def _is_response(value: Any) -> bool:
    """Whether a value is a Starlette Response; nobody can have made one unless the module is loaded."""
    responses = sys.modules.get("starlette.responses")
    return responses is not None and isinstance(value, responses.Response)
