# SPDX-License-Identifier: Apache-2.0
"""The contract of `@serve.batch` (contracts, ray-python-api §4.6), row by row."""

import asyncio
import time

import numpy as np
import pytest
from model_service.batch import batch
from model_service.context import RequestContext, get_batch_request_context, request_var
from model_service.exceptions import RayServeException
from model_service.multiplex import get_multiplexed_model_id


async def gather(*calls):
    return await asyncio.gather(*calls, return_exceptions=True)


def recorder(**limits):
    """A batched function that keeps what it was given and returns it."""
    seen = []

    @batch(**{"max_batch_size": 4, "batch_wait_timeout_s": 0.02, **limits})
    async def function(xs):
        seen.append(list(xs))
        return xs

    return function, seen


@pytest.mark.parametrize(
    ("error", "text", "limits"),
    [
        (ValueError, "max_batch_size must be an integer >= 1, got 0", {"max_batch_size": 0}),
        (TypeError, "max_batch_size must be integer >= 1, got 1.5", {"max_batch_size": 1.5}),
        (TypeError, "max_batch_size must be integer >= 1, got None", {"max_batch_size": None}),
        (ValueError, "batch_wait_timeout_s must be a float >= 0, got -1", {"batch_wait_timeout_s": -1}),
        (TypeError, "batch_wait_timeout_s must be a float >= 0, got a", {"batch_wait_timeout_s": "a"}),
        (TypeError, "max_concurrent_batches must be an integer >= 1, got 0", {"max_concurrent_batches": 0}),
        (TypeError, "max_concurrent_batches must be an integer >= 1, got 1.0", {"max_concurrent_batches": 1.0}),
        (TypeError, "batch_size_fn must be a callable or None", {"batch_size_fn": 3}),
    ],
)  # fmt: skip
def test_limits_that_cannot_be_are_refused(error, text, limits):
    with pytest.raises(error, match=text):
        batch(**limits)


def test_the_bare_form_checks_the_function_and_an_integral_float_is_a_size():
    with pytest.raises(TypeError, match="can only be used to decorate functions or methods"):
        batch(3)
    with pytest.raises(TypeError, match="must be 'async def'"):
        batch(lambda xs: xs)

    @batch(max_batch_size=2.0)
    async def function(xs):
        return xs

    assert function._get_max_batch_size() == 2 and function._get_batch_wait_timeout_s() == 0.01


def test_a_batch_closes_when_it_is_full_and_keeps_order():
    function, seen = recorder(max_batch_size=3, batch_wait_timeout_s=10)

    async def run():
        return await gather(*(function(i) for i in range(6)))

    assert asyncio.run(run()) == list(range(6)) and seen == [[0, 1, 2], [3, 4, 5]]


def test_the_clock_starts_with_the_first_item_not_before():
    function, seen = recorder(batch_wait_timeout_s=0.1)

    async def run():
        await function(0)
        await asyncio.sleep(0.15)  # idle: does not count
        first = asyncio.create_task(function(1))
        await asyncio.sleep(0.04)
        second = asyncio.create_task(function(2))
        await gather(first, second)

    asyncio.run(run())
    assert seen == [[0], [1, 2]]


def test_with_no_wait_everything_queued_is_taken():
    function, seen = recorder(batch_wait_timeout_s=0)

    async def run():
        await gather(*(function(i) for i in range(3)))
        await function(3)

    asyncio.run(run())
    assert seen == [[0, 1, 2], [3]]


def test_arrivals_during_a_blocking_batch_are_collected_after_it():
    seen = []

    @batch(max_batch_size=10, batch_wait_timeout_s=0.01)
    async def function(xs):
        seen.append(list(xs))
        time.sleep(0.05)
        return xs

    async def run():
        tasks = [asyncio.create_task(function(0))]
        await asyncio.sleep(0.02)
        tasks += [asyncio.create_task(function(i)) for i in range(1, 5)]
        await gather(*tasks)

    asyncio.run(run())
    assert seen == [[0], [1, 2, 3, 4]]


def test_forming_goes_on_while_a_batch_runs_and_permits_bound_what_runs():
    running = most = 0

    @batch(max_batch_size=1, batch_wait_timeout_s=0, max_concurrent_batches=2)
    async def function(xs):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return xs

    async def run():
        return await gather(*(function(i) for i in range(5)))

    assert asyncio.run(run()) == list(range(5)) and most == 2


def test_setters_take_effect_with_the_next_batch_and_reach_through_bound_methods():
    class Model:
        def __init__(self):
            self.seen = []
            self.methods = {"one": self.predict}
            self.predict.set_max_batch_size(2)
            self.predict.set_batch_wait_timeout_s(0.02)

        @batch
        async def predict(self, xs):
            self.seen.append(list(xs))
            return xs

    async def run():
        model, other = Model(), Model()
        await gather(*(model.methods["one"](i) for i in range(4)), other.predict(9))
        return model.seen, other.seen

    assert asyncio.run(run()) == ([[0, 1], [2, 3]], [[9]])


def test_each_parameter_becomes_a_list_however_it_is_given():
    @batch(max_batch_size=3, batch_wait_timeout_s=1)
    async def function(a, b, c=0):
        assert all(type(column) is list for column in (a, b, c))
        return list(zip(a, b, c, strict=True))

    async def run():
        return await gather(function(1, 2, 3), function(b=5, a=4), function(7, c=9, b=8))

    assert asyncio.run(run()) == [(1, 2, 3), (4, 5, 0), (7, 8, 9)]


def test_the_wrong_number_of_results_fails_every_caller():
    @batch(max_batch_size=2, batch_wait_timeout_s=1)
    async def function(xs):
        return xs[:1]

    async def run():
        return await gather(function(1), function(2))

    errors = asyncio.run(run())
    assert all(isinstance(e, RayServeException) and "preserve batch size" in str(e) for e in errors)


def test_results_may_be_an_array_and_what_has_no_length_is_a_type_error():
    @batch(max_batch_size=2, batch_wait_timeout_s=1)
    async def array(xs):
        return np.array(xs) * 2

    @batch
    async def nothing(xs):
        return None

    async def run():
        return await gather(array(1), array(2), nothing(1))

    *arrays, error = asyncio.run(run())
    assert arrays == [2, 4] and isinstance(error, TypeError)


def test_an_exception_reaches_every_caller_as_the_same_object():
    @batch(max_batch_size=2, batch_wait_timeout_s=1)
    async def function(xs):
        raise KeyError("k")

    async def run():
        first, second = await gather(function(1), function(2))
        return first is second and isinstance(first, KeyError)

    assert asyncio.run(run())


def test_cancelled_callers_are_dropped_and_a_running_batch_goes_on():
    function, seen = recorder(max_batch_size=3, batch_wait_timeout_s=0.05)

    async def run():
        tasks = [asyncio.create_task(function(i)) for i in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        results = await gather(*tasks)
        alone = asyncio.create_task(function(9))
        await asyncio.sleep(0.01)
        alone.cancel()
        await asyncio.sleep(0.1)
        return results

    first, middle, last = asyncio.run(run())
    assert (first, last) == (0, 2) and isinstance(middle, asyncio.CancelledError)
    assert sum(seen, []) == [0, 2]  # the batch of nobody was skipped


def test_one_caller_that_leaves_does_not_stop_a_running_batch():
    @batch(max_batch_size=2, batch_wait_timeout_s=1)
    async def function(xs):
        await asyncio.sleep(0.03)
        return xs

    async def run():
        tasks = [asyncio.create_task(function(i)) for i in range(2)]
        await asyncio.sleep(0.01)
        tasks[0].cancel()
        return await gather(*tasks)

    assert asyncio.run(run())[1] == 1


def test_batch_size_fn_replaces_len():
    seen = []

    @batch(max_batch_size=10, batch_wait_timeout_s=0.02, batch_size_fn=lambda items: sum(items))
    async def function(xs):
        seen.append(list(xs))
        return xs

    async def run():
        return await gather(function(6), function(5), function(4), function(11))

    *ok, error = asyncio.run(run())
    assert ok == [6, 5, 4] and isinstance(error, RuntimeError)
    assert "greater than max_batch_size" in str(error)
    assert all(sum(xs) <= 10 for xs in seen) and sorted(sum(seen, [])) == [4, 5, 6]


def test_an_exception_in_batch_size_fn_fails_its_item_and_the_queue_lives():
    def size(items):
        if "bad" in items:
            raise ValueError("size")
        return len(items)

    @batch(max_batch_size=2, batch_wait_timeout_s=0.01, batch_size_fn=size)
    async def function(xs):
        return xs

    async def run():
        bad = await gather(function("bad"))
        return bad, await function("good")

    (error,), good = asyncio.run(run())
    assert isinstance(error, ValueError) and good == "good"


def test_model_ids_are_not_mixed_in_one_call():
    seen = []

    @batch(max_batch_size=4, batch_wait_timeout_s=1)
    async def function(xs):
        seen.append((get_multiplexed_model_id(), list(xs), len(get_batch_request_context())))
        return xs

    async def call(model_id, x):
        request_var.set(RequestContext("id", "app", "/", model_id))
        return await function(x)

    async def run():
        return await gather(call("a", 1), call("b", 2), call("a", 3), call("", 4))

    assert asyncio.run(run()) == [1, 2, 3, 4]
    assert sorted(seen) == [("", [4], 1), ("a", [1, 3], 2), ("b", [2], 1)]


def test_a_generator_streams_to_each_caller_and_ends_them_one_by_one():
    @batch(max_batch_size=2, batch_wait_timeout_s=1)
    async def function(ns):
        for i in range(max(ns)):
            yield [i if i < n else StopIteration for n in ns]

    async def collect(n):
        return [x async for x in function(n)]

    async def run():
        return await gather(collect(1), collect(3))

    assert asyncio.run(run()) == [[0], [0, 1, 2]]


def test_a_failing_generator_ends_who_is_left_with_its_error():
    @batch(max_batch_size=2, batch_wait_timeout_s=1)
    async def function(ns):
        yield [1, StopAsyncIteration()]
        raise KeyError("k")

    async def collect(n):
        got = []
        try:
            async for x in function(n):
                got.append(x)
        except KeyError:
            got.append("error")
        return got

    async def run():
        return await gather(collect(0), collect(1))

    assert asyncio.run(run()) == [[1, "error"], []]


def test_the_wrapper_is_a_function_with_its_name_and_says_what_runs():
    function, _ = recorder()
    assert function.__name__ == "function" and function.__wrapped__ is not None

    async def run():
        assert not await function._is_batching_task_alive()
        task = asyncio.create_task(function(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        alive = await function._is_batching_task_alive()
        await task
        return alive, function._get_curr_iteration_start_times().num_requests

    alive, n = asyncio.run(run())
    assert alive and n in (0, 1)


def test_a_queue_follows_its_loop():
    function, seen = recorder()
    assert asyncio.run(function(1)) == 1 and asyncio.run(function(2)) == 2 and seen == [[1], [2]]
