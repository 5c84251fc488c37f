# SPDX-License-Identifier: Apache-2.0
"""Requests of plain deployments and handle calls, through the host and a fake link."""

import asyncio

import pytest
from fake_link import Served
from model_service import exceptions, serialize
from model_service.deployment import deployment
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse


def serve(target, scenario, *args, **kwargs):
    """Run an async scenario against a deployment."""

    async def run():
        async with Served(target, *args, **kwargs) as served:
            return await scenario(served)

    return asyncio.run(run())


def test_a_function_of_no_arguments_answers_bytes_as_text():
    status, headers, body = serve(lambda: b"pong", lambda served: served.get())
    assert (status, headers, body) == (200, {"content-type": "text/plain"}, b"pong")


def test_a_function_is_given_the_request():
    def echo(request: Request):
        return f"{request.method} {request.url.path} {request.query_params['q']}"

    assert serve(echo, lambda served: served.get("/a/b?q=1", prefix="/p"))[2] == b"GET /p/a/b 1"


def test_a_body_that_comes_in_parts_is_read_whole_and_gives_credit():
    async def length(request):
        return len(await request.body())

    async def scenario(served):
        rid = served.link.http("/", b"a" * 10, method="POST", complete=False)
        await asyncio.sleep(0.01)
        served.link.push("body", rid, b"b" * 20, False)
        await asyncio.sleep(0.01)
        served.link.push("body", rid, b"c" * 5, True)
        return await served.link.answer(rid), served.link.credit[rid]

    answer, credit = serve(length, scenario)
    assert answer["chunks"] == [b"35"] and credit == 30


def test_a_class_keeps_state_and_is_constructed_inside_the_loop():
    class Counter:
        def __init__(self, start):
            self.loop = asyncio.get_running_loop()
            self.n = start

        async def __call__(self, request):
            self.n += 1
            return self.n

    async def scenario(served):
        return [(await served.get())[2] for _ in range(3)]

    assert serve(Counter, scenario, 5) == [b"6", b"7", b"8"]


def test_an_async_constructor_is_awaited():
    class Slow:
        async def __init__(self):
            await asyncio.sleep(0)
            self.word = "made"

        def __call__(self):
            return self.word

    assert serve(Slow, lambda served: served.get())[2] == b"made"


def test_a_returned_response_keeps_status_headers_and_body():
    def respond(request):
        response = JSONResponse({"a": 1}, status_code=201)
        response.set_cookie("x", "1")
        response.set_cookie("y", "2")
        return response

    async def scenario(served):
        return await served.link.answer(served.link.http())

    answer = serve(respond, scenario)
    names = [name for name, _ in answer["headers"]]
    assert answer["status"] == 201 and answer["chunks"] == [b'{"a":1}']
    assert names.count(b"set-cookie") == 2


def test_a_streaming_response_is_sent_part_by_part():
    async def stream(request):
        async def parts():
            for i in range(3):
                yield str(i)
                await asyncio.sleep(0.005)

        return StreamingResponse(parts(), media_type="text/plain")

    async def scenario(served):
        return await served.link.answer(served.link.http())

    assert serve(stream, scenario)["chunks"] == [b"0", b"1", b"2"]


def test_an_exception_is_an_internal_error_and_the_next_request_works():
    def fail_once(request, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("secret")
        return "ok"

    async def scenario(served):
        return (await served.get())[::2], (await served.get())[2]

    assert serve(fail_once, scenario) == ((500, b"Internal Server Error"), b"ok")


def test_back_pressure_of_a_nested_call_answers_503():
    async def busy(request):
        raise exceptions.BackPressureError(3, 2)

    status, _, body = serve(busy, lambda served: served.get())
    assert status == 503 and body.startswith(b"Request dropped due to backpressure")


def test_a_bare_generator_is_an_internal_error():
    def generate(request):
        yield 1

    assert serve(generate, lambda served: served.get())[0] == 500


def test_a_class_without_call_fails_only_when_it_is_called():
    class Quiet:
        def other(self):
            return 1

    async def scenario(served):
        return (await served.get())[0], await served.call("other")

    assert serve(Quiet, scenario) == (500, 1)


def test_a_client_that_leaves_cancels_the_handler():
    seen = []

    async def wait(request):
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def scenario(served):
        rid = served.link.http()
        await asyncio.sleep(0.02)
        served.link.push("cancel", rid, 4)
        return (await served.link.answer(rid))["error"][0], served.host.running

    assert serve(wait, scenario) == (exceptions.CANCELLED, {}) and seen == ["cancelled"]


def test_a_request_cancelled_before_it_began_is_answered_and_never_begins():
    begun = []

    async def handler(request):
        begun.append(1)

    async def scenario(served):
        rid = served.link.http()
        served.link.push("cancel", rid, 4)
        return await served.link.answer(rid)

    answer = serve(handler, scenario)
    assert answer["error"][0] == exceptions.CANCELLED and not begun


def test_cancelling_a_request_cancels_the_calls_it_made():
    from model_service import call
    from model_service.handle import DeploymentHandle

    async def outer(request):
        await DeploymentHandle("Inner", "app").remote(1)

    async def scenario(served):
        call.set_transport(served.host.transport)
        try:
            rid = served.link.http()
            await asyncio.sleep(0.02)
            served.link.push("cancel", rid, 4)
            await served.link.answer(rid)
            return list(served.link.calls.values())
        finally:
            call.set_transport(None)

    ((target, method, _, meta, word),) = serve(outer, scenario)
    assert (target, method, meta["request_id"], word) == (
        "app#Inner",
        "__call__",
        "id",
        "cancelled",
    )


def test_a_call_answers_its_pickled_result_or_the_exception_with_its_class():
    class D:
        def add(self, a, b=1):
            return a + b

        def fail(self):
            raise KeyError("k")

    async def scenario(served):
        with pytest.raises(KeyError) as info:
            await served.call("fail")
        assert isinstance(info.value, exceptions.RayTaskError) and "in fail" in str(info.value)
        with pytest.raises(
            exceptions.RayServeException, match=r"Available methods: \['add', 'fail'\]"
        ):
            await served.call("nothing")
        return await served.call("add", 1, b=2)

    assert serve(D, scenario) == 3


@pytest.mark.parametrize("method", ["count", "acount"])
def test_a_streaming_call_sends_each_item(method):
    class D:
        def count(self, n):
            yield from range(n)

        async def acount(self, n):
            for i in range(n):
                yield i

    async def scenario(served):
        answer = await served.link.answer(served.link.handle_call(method, 3, streaming=True))
        return [serialize.loads(chunk) for chunk in answer["chunks"]]

    assert serve(D, scenario) == [0, 1, 2]


def test_unary_and_streaming_calls_of_the_wrong_kind_of_method_are_type_errors():
    class D:
        def count(self):
            yield 1

        def one(self):
            return 1

    async def scenario(served):
        with pytest.raises(TypeError, match="use `handle.options\\(stream=True\\)`"):
            await served.call("count")
        with pytest.raises(TypeError, match="did not return a generator"):
            await served.call("one", streaming=True)

    serve(D, scenario)


def test_a_full_stream_waits_until_it_is_writable():
    class D:
        async def count(self):
            for i in range(3):
                yield i

    async def scenario(served):
        served.link.is_full = True
        rid = served.link.handle_call("count", streaming=True)
        await asyncio.sleep(0.02)
        before = len(served.link.answers[rid]["chunks"])
        served.link.is_full = False
        served.link.push("writable", rid)
        return before, len((await served.link.answer(rid))["chunks"])

    assert serve(D, scenario) == (1, 3)


def test_reconfigure_gets_a_copy_of_its_own_and_a_missing_one_fails():
    given = {"a": [1]}

    class D:
        def reconfigure(self, config):
            config["a"].append(2)
            self.config = config

        def __call__(self):
            return self.config

    class Without:
        pass

    config = {"max_ongoing_requests": 5, "user_config": given}
    assert serve(D, lambda served: served.get(), config=config)[2] == b'{"a":[1,2]}'
    assert given == {"a": [1]}
    with pytest.raises(exceptions.RayServeException, match="missing reconfigure method"):
        serve(Without, lambda served: served.get(), config=config)


def test_a_failing_first_health_check_fails_the_start():
    class Sick:
        async def check_health(self):
            raise RuntimeError("ill")

    with pytest.raises(RuntimeError, match="ill"):
        serve(Sick, lambda served: served.get())


def test_the_destructor_runs_once_sync_or_async():
    ends = []

    class Sync:
        def __del__(self):
            ends.append("sync")

    class Async:
        async def __del__(self):
            ends.append("async")

    async def nothing(served):
        return None

    serve(Sync, nothing)
    serve(Async, nothing)
    assert ends == ["sync", "async"]


def test_a_deployment_decorated_function_is_served():
    @deployment
    async def hello():
        return "hello"

    assert serve(hello, lambda served: served.get())[2] == b"hello"


def test_an_application_that_swallows_its_cancel_is_not_an_error(caplog):
    from model_service.asgi import ingress

    async def app(scope, receive, send):
        if scope["type"] == "http":
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                pass

    async def scenario(served):
        rid = served.link.http()
        await asyncio.sleep(0.02)
        served.link.push("cancel", rid, 4)
        return await served.link.answer(rid)

    answer = serve(ingress(app)(type("Empty", (), {})), scenario)
    assert answer["error"][0] == exceptions.CANCELLED and "Request failed" not in caplog.text
