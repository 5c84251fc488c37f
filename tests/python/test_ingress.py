# SPDX-License-Identifier: Apache-2.0
"""`@serve.ingress`: FastAPI class-based views, plain applications, builders, lifespan."""

import asyncio
import json
from contextlib import asynccontextmanager

import cloudpickle
import pytest
from fake_link import Served
from fastapi import Body, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from model_service import exceptions
from model_service.asgi import ingress, is_ingress
from model_service.batch import batch
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def serve(cls, scenario, *args, **kwargs):
    async def run():
        async with Served(cls, *args, **kwargs) as served:
            return await scenario(served)

    return asyncio.run(run())


class Item(BaseModel):
    name: str
    size: int = 1


def make_view():
    app = FastAPI()

    @ingress(app)
    class View:
        """A view."""

        def __init__(self, word="hello"):
            self.word = word

        @app.get("/greet/{name}")
        def greet(self, name: str, times: int = 1) -> str:
            return " ".join([self.word, name] * times)

        @app.post("/items", status_code=201)
        async def create(self, item: Item, request: Request) -> Item:
            assert request.method == "POST"
            item.size += 1
            return item

        @app.post("/raw")
        async def raw(self, data: bytes = Body(...)):
            return len(data)

        @app.get("/missing")
        def missing(self):
            raise HTTPException(404, "nothing here")

        @app.get("/busy")
        async def busy(self):
            raise exceptions.BackPressureError(1, 1)

        @app.get("/wrong")
        async def wrong(self):
            raise ValueError("secret")

        @batch(max_batch_size=4, batch_wait_timeout_s=0.05)
        async def double(self, xs):
            return [2 * x for x in xs]

        def plain(self, x):
            return self.word * x

    @app.get("/outside")
    def outside():
        return "outside"

    return View


def test_views_get_their_instance_and_fastapi_their_parameters():
    async def scenario(served):
        assert (await served.get("/greet/bob?times=2"))[2] == b'"ahoj bob ahoj bob"'
        status, headers, body = await served.get("/items", b'{"name":"a"}', method="POST",
                                                 headers=((b"content-type", b"application/json"),))  # fmt: skip
        assert status == 201 and json.loads(body) == {"name": "a", "size": 2}
        assert (await served.get("/greet/bob?times=x"))[0] == 422
        assert (await served.get("/missing"))[::2] == (404, b'{"detail":"nothing here"}')
        assert (await served.get("/nowhere"))[0] == 404

    serve(make_view(), scenario, "ahoj")


def test_the_two_kinds_of_unavailable_answer_503_and_others_500():
    async def scenario(served):
        status, _, body = await served.get("/busy")
        assert status == 503 and body.startswith(b"Request dropped due to backpressure")
        assert (await served.get("/wrong"))[::2] == (500, b"Internal Server Error")

    serve(make_view(), scenario)


def test_the_class_looks_like_the_users_and_its_methods_are_called_by_handle():
    view = make_view()
    assert is_ingress(view) and view.__name__ == "View" and view.__doc__ == "A view."
    assert view.__module__ == __name__

    async def scenario(served):
        doubled = await asyncio.gather(*(served.call("double", i) for i in range(4)))
        return doubled, await served.call("plain", 2), await served.call("greet", "x")

    assert serve(view, scenario, "ab") == ([0, 2, 4, 6], "abab", "ab x")


def test_docs_describe_the_copy_of_the_application_under_its_prefix():
    async def scenario(served):
        document = json.loads((await served.get("/openapi.json", prefix="/p"))[2])
        assert sorted(document["paths"]) == [
            "/busy",
            "/greet/{name}",
            "/items",
            "/missing",
            "/raw",
            "/wrong",
        ]
        assert document["servers"] == [{"url": "/p"}]
        page = (await served.get("/docs", prefix="/p"))[2]
        assert b"/p/openapi.json" in page

    serve(make_view(), scenario)


def test_routes_added_later_and_views_of_another_class_are_not_in_the_copy():
    app = FastAPI()

    @app.get("/shared")
    def shared():
        return "shared"

    @ingress(app)
    class A:
        @app.get("/a")
        def a(self):
            return type(self).__name__

    @ingress(app)
    class B:
        @app.get("/b")
        def b(self):
            return type(self).__name__

    @app.get("/late")
    def late():
        return "late"

    async def statuses(served):
        return [(await served.get(path))[0] for path in ("/shared", "/a", "/b", "/late")]

    assert serve(A, statuses) == [200, 200, 404, 404]
    assert serve(B, statuses) == [200, 404, 200, 404]


def test_dependencies_middleware_and_lifespan_state_work():
    order = []

    @asynccontextmanager
    async def lifespan(app):
        order.append("up")
        yield {"weight": 7}
        order.append("down")

    def authenticated(request: Request):
        if request.headers.get("x-key") != "k":
            raise HTTPException(401)
        return "user"

    app = FastAPI(lifespan=lifespan)
    app.add_middleware(CORSMiddleware, allow_origins=["*"])

    @ingress(app)
    class View:
        def __init__(self):
            order.append("init")

        @app.get("/")
        async def root(self, request: Request, user: str = Depends(authenticated)):
            return [user, request.state.weight]

        def __del__(self):
            order.append("del")

    async def scenario(served):
        assert (await served.get("/"))[0] == 401
        _, headers, body = await served.get(
            "/", headers=((b"x-key", b"k"), (b"origin", b"http://a"))
        )
        assert json.loads(body) == ["user", 7] and headers["access-control-allow-origin"] == "*"

    serve(View, scenario)
    assert order == ["init", "up", "down", "del"]


def test_startup_events_run_and_a_failing_one_fails_the_start():
    app = FastAPI()

    @app.on_event("startup")
    async def startup():
        raise RuntimeError("no database")

    @ingress(app)
    class View:
        pass

    with pytest.raises(RuntimeError, match="no database"):
        serve(View, lambda served: served.get())


def test_a_plain_application_and_a_builder_are_served():
    async def home(request):
        return PlainTextResponse(f"home {request.scope['root_path']}")

    starlette = Starlette(routes=[Route("/", home)])

    def build():
        app = FastAPI()

        @app.get("/built")
        def built():
            return "built"

        return app

    assert serve(ingress(starlette)(), lambda served: served.get("/", prefix="/x"))[2] == b"home /x"
    assert (
        serve(ingress(build)(type("Empty", (), {})), lambda served: served.get("/built"))[2]
        == b'"built"'
    )


def test_ingress_survives_cloudpickle_by_value():
    view = cloudpickle.loads(cloudpickle.dumps(make_view()))
    assert serve(view, lambda served: served.get("/greet/x"))[2] == b'"hello x"'


def test_a_subclass_and_forward_annotations_work():
    source = """
from __future__ import annotations
from fastapi import FastAPI, Request
from model_service.asgi import ingress
app = FastAPI()
class Base:
    def name(self): return "base"
@ingress(app)
class View(Base):
    tile: int
    @app.post("/{size}")
    async def root(self, size: int, request: Request) -> list[float]:
        return [size * 1.5, len(await request.body())]
"""
    namespace = {"__name__": "forward"}
    import sys
    import types

    module = types.ModuleType("forward")
    sys.modules["forward"] = module
    exec(source, module.__dict__)  # noqa: S102
    del namespace
    assert (
        serve(module.View, lambda served: served.get("/2", b"abc", method="POST"))[2]
        == b"[3.0,3.0]"
    )


def test_wrong_uses_are_refused():
    app = FastAPI()
    with pytest.raises(ValueError, match="must be used with a class"):
        ingress(app)(lambda: 1)

    class Callable:
        def __call__(self):
            pass

    with pytest.raises(ValueError, match="may not have __call__ method"):
        ingress(app)(Callable)
    with pytest.raises(exceptions.RayServeException, match="must have ``self``"):

        @ingress(app)
        class NoSelf:
            @app.get("/")
            def root():
                pass


def test_websocket_routes_are_views_too():
    app = FastAPI()

    @ingress(app)
    class View:
        @app.websocket("/ws")
        async def ws(self, socket: WebSocket):
            await socket.accept()
            await socket.send_text(type(self).__name__)
            await socket.close()

    async def run():
        sent = []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        async with Served(View) as served:
            scope = {"type": "websocket", "path": "/ws", "headers": [], "query_string": b"", "root_path": "",
                     "scheme": "ws", "subprotocols": []}  # fmt: skip
            await served.servable.asgi_app(scope, receive, send)
        return [m.get("text") for m in sent]

    assert "View" in asyncio.run(run())
