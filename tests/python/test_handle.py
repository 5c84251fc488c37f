# SPDX-License-Identifier: Apache-2.0
"""Handles and responses, in local testing mode: no process but this one."""

import asyncio
import pickle
import time
import uuid

import pytest
from model_service import api, refs
from model_service.deployment import deployment
from model_service.exceptions import RayServeException, RayTaskError, RequestCancelledError
from model_service.handle import DeploymentHandle, make_request_id


class CustomError(Exception):
    def __init__(self, code, detail):
        super().__init__(code, detail)
        self.code = code


@deployment
class Backend:
    def __init__(self, increment=1):
        self.increment = increment
        self.seen = []

    def add(self, x):
        return x + self.increment

    async def slow_add(self, x, delay_s=0.05):
        await asyncio.sleep(delay_s)
        return x + self.increment

    def keep(self, values):
        self.seen = values
        values.append("callee")
        return len(values)

    def fail(self):
        raise CustomError(7, "detail")

    def count(self, n):
        yield from range(n)

    async def broken(self):
        yield 1
        raise KeyError("k")

    async def wait(self):
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise

    def get_seen(self):
        return self.seen


@deployment
class Front:
    def __init__(self, backend, more):
        self.backend = backend
        self.other = more["inner"][0]

    async def chain(self, x):
        return await self.other.add.remote(self.backend.slow_add.remote(x))

    async def forward(self):
        await self.backend.fail.remote()

    async def nested(self):
        await self.backend.keep.remote([self.backend.add.remote(1)])

    async def blocking(self):
        return self.backend.add.remote(1).result()

    async def leave(self):
        await self.backend.wait.remote()


@pytest.fixture
def front():
    inner = {"inner": [Backend.options(name="Other").bind(100)]}
    return api.run(Front.bind(Backend.bind(), inner), _local_testing_mode=True)


@pytest.fixture
def backend():
    return api.run(Backend.bind(), name="backend", _local_testing_mode=True)


def test_a_result_is_cached_and_may_be_awaited_or_blocked_for(backend):
    response = backend.add.remote(1)
    assert response.result() == response.result() == 2

    async def run():
        response = backend.slow_add.remote(1)
        return await response, await response

    assert asyncio.run(run()) == (2, 2)


def test_bound_applications_at_any_depth_are_handles_and_responses_are_arguments(front):
    assert front.chain.remote(1).result() == 102


def test_one_response_feeds_several_calls(backend):
    first = backend.slow_add.remote(0)
    assert [backend.add.remote(first).result(), backend.add.remote(x=first).result()] == [2, 2]


def test_a_failed_argument_fails_the_call_that_needs_it(backend):
    with pytest.raises(CustomError):
        backend.add.remote(backend.fail.remote()).result()


def test_an_exception_is_of_both_classes_with_its_attributes_and_remote_traceback(front, backend):
    with pytest.raises(CustomError) as info:
        backend.fail.remote().result()
    error = info.value
    assert isinstance(error, RayTaskError) and error.code == 7 and error.cause.code == 7
    assert "in fail" in str(error) and error.args == (7, "detail")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, CustomError) and isinstance(again, RayTaskError)


def test_an_exception_that_passes_two_deployments_keeps_its_class(front):
    with pytest.raises(CustomError) as info:
        front.forward.remote().result()
    assert type(info.value.cause) is CustomError and "in fail" in str(info.value)


def test_arguments_are_copies(backend):
    mine = [1]
    assert backend.keep.remote(mine).result() == 2 and mine == [1]


def test_a_nested_response_is_refused_and_a_stream_is_no_argument(front, backend):
    with pytest.raises(RayServeException, match="not serializable"):
        front.nested.remote().result()
    with pytest.raises(RuntimeError, match="Streaming deployment handle results"):
        backend.add.remote(backend.options(stream=True).count.remote(1))


def test_sync_methods_are_refused_inside_a_loop(front):
    with pytest.raises(
        RuntimeError, match="should not be called from within an `asyncio` event loop"
    ):
        front.blocking.remote().result()


def test_a_timeout_leaves_the_call_running(backend):
    response = backend.slow_add.remote(1, delay_s=0.1)
    with pytest.raises(TimeoutError):
        response.result(timeout_s=0.01)
    assert response.result() == 2


def test_items_stream_and_errors_come_where_they_happen(backend):
    streaming = backend.options(stream=True)
    assert list(streaming.count.remote(3)) == [0, 1, 2] and list(streaming.count.remote(0)) == []

    async def run():
        got = []
        with pytest.raises(KeyError):
            async for item in streaming.broken.remote():
                got.append(item)
        return got

    assert asyncio.run(run()) == [1]


def test_the_wrong_kind_of_call_is_a_type_error(backend):
    with pytest.raises(TypeError, match="returned a generator"):
        backend.count.remote(1).result()
    with pytest.raises(TypeError, match="did not return a generator"):
        next(backend.options(stream=True).add.remote(1))
    with pytest.raises(TypeError, match="doesn't support `.result\\(\\)`"):
        backend.options(stream=True).count.remote(1).result()


def test_cancel_reaches_the_callee_and_the_waiter(backend):
    response = backend.wait.remote()
    time.sleep(0.05)
    response.cancel()
    response.cancel()
    with pytest.raises(RequestCancelledError):
        response.result()
    assert response.cancelled() and backend.get_seen.remote().result() == ["cancelled"]


def test_cancelling_a_call_cancels_what_it_called(front):
    response = front.leave.remote()
    time.sleep(0.05)
    response.cancel()
    backend = DeploymentHandle("Backend", "default")
    backend._shared.fixed_transport = front._shared.fixed_transport
    for _ in range(100):
        if backend.get_seen.remote().result() == ["cancelled"]:
            return
        time.sleep(0.01)
    raise AssertionError("the inner call goes on")


def test_a_cancelled_waiter_gets_its_own_cancel(backend):
    async def run():
        task = asyncio.ensure_future(backend.slow_add.remote(1, delay_s=5)._change())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_options_do_not_change_the_handle_and_copies_share(backend):
    other = backend.options(method_name="add", multiplexed_model_id="m")
    assert other.remote(1).result() == 2 and backend.handle_options.method_name == "__call__"
    assert other.request_counter is backend.request_counter
    with pytest.raises(RuntimeError, match="already been initialized"):
        backend._init()


def test_a_handle_travels_with_its_names_only():
    handle = pickle.loads(pickle.dumps(DeploymentHandle("D", "a").options(stream=True)))
    assert (handle.deployment_name, handle.app_name, handle.handle_options.stream) == (
        "D",
        "a",
        True,
    )
    assert repr(handle) == "DeploymentHandle(deployment='D')"
    assert not hasattr(handle, "__len__")


def test_constructors_errors_come_out_of_run():
    @deployment
    class Bad:
        def __init__(self):
            raise ValueError("no weights")

    with pytest.raises(ValueError, match="no weights"):
        api.run(Bad.bind(), _local_testing_mode=True)


def test_request_ids_are_uuids():
    ids = {make_request_id() for _ in range(100)}
    assert len(ids) == 100 and all(uuid.UUID(text).version == 4 for text in ids)


def test_references_hold_values_or_results(backend):
    ref = backend.slow_add.remote(1)._to_object_ref_sync()
    assert refs.get([ref, refs.put(5)]) == [2, 5]
    ready, rest = refs.wait(
        [refs.put(1), backend.slow_add.remote(1, 5)._to_object_ref_sync()], timeout=0.01
    )
    assert len(ready) == len(rest) == 1
    assert backend.add.remote(refs.put(3)).result() == 4
