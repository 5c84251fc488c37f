# SPDX-License-Identifier: Apache-2.0
"""``@serve.batch``: many calls of one function gathered into calls on lists (contracts, ray-python-api §4.6).

A queue belongs to one instance and the loop it is used on; its limits belong to the decorated function, so that
``self.method.set_max_batch_size(n)`` reaches it through any bound method.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import io
import logging
import time
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from .context import RequestContext, batch_var, get_internal_replica_context, request_var
from .exceptions import RayServeException

logger = logging.getLogger("ray.serve")


class _Limits:
    """What the decorator was given and the setters change; read once for each batch."""

    __slots__ = (
        "batch_size_fn",
        "batch_wait_timeout_s",
        "max_batch_size",
        "max_concurrent_batches",
    )

    def __init__(self, size: int, wait_s: float, concurrent: int, size_fn: Callable | None):
        self.max_batch_size = size
        self.batch_wait_timeout_s = wait_s
        self.max_concurrent_batches = concurrent
        self.batch_size_fn = size_fn


class _Item:
    """One call that waits: its arguments and where its result goes."""

    __slots__ = ("args", "context", "future", "kwargs", "results")

    def __init__(
        self,
        args: tuple,
        kwargs: dict,
        future: asyncio.Future | None,
        results: asyncio.Queue | None,
    ):
        self.args = args
        self.kwargs = kwargs
        self.future = future  # of a plain call
        self.results = results  # of a generator: (True, value), (False, error) or None for the end
        self.context: RequestContext | None = request_var.get()

    @property
    def is_gone(self) -> bool:
        return self.future is not None and self.future.done()

    def fail(self, error: BaseException) -> None:
        if self.results is not None:
            self.results.put_nowait((False, error))
        elif not self.future.done():
            self.future.set_exception(error)


class _RuntimeSummaryStatistics:
    """When the batches that run now began, by time.time()."""

    def __init__(self, start_times: list[float]):
        self.start_times = start_times

    @property
    def min_start_time(self) -> float | None:
        return min(self.start_times) if self.start_times else None

    @property
    def mean_start_time(self) -> float | None:
        return sum(self.start_times) / len(self.start_times) if self.start_times else None

    @property
    def max_start_time(self) -> float | None:
        return max(self.start_times) if self.start_times else None

    @property
    def num_requests(self) -> int:
        return len(self.start_times)


class _BatchQueue:
    """Forms batches of calls and runs them. Used on one loop only."""

    def __init__(self, limits: _Limits, fn: Callable, instance: Any, is_generator: bool):
        self._limits = limits
        self._fn = fn
        # The instance owns the queue, so the queue must not own the instance.
        try:
            self._instance: Callable[[], Any] = (
                weakref.ref(instance) if instance is not None else lambda: None
            )
        except TypeError:
            self._instance = lambda: instance
        self._has_instance = instance is not None
        self._is_generator = is_generator
        self._parameters = _Parameters(fn, self._has_instance)
        self._items: deque[_Item] = deque()
        self._arrival: asyncio.Future | None = None
        self._permits = asyncio.Semaphore(limits.max_concurrent_batches)
        self._loop = asyncio.get_running_loop()
        self._running: dict[asyncio.Task, float] = {}  # batches, and when each began
        self._former = self._loop.create_task(self._form_batches())

    def put(self, item: _Item) -> None:
        """Queue one call."""
        self._items.append(item)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def start_times(self) -> _RuntimeSummaryStatistics:
        return _RuntimeSummaryStatistics(list(self._running.values()))

    # --- forming ---

    async def _form_batches(self) -> None:
        request_var.set(None)  # The loop outlives the request that made it.
        while True:
            while not self._items:
                await self._wait_for_arrival(None)
            batch = await self._form_one()
            if batch:
                task = self._loop.create_task(self._run_batch(batch))
                self._running[task] = time.time()
                task.add_done_callback(lambda task: self._running.pop(task, None))

    async def _wait_for_arrival(self, timeout_s: float | None) -> None:
        """Wait for an item to come, for so long at most."""
        self._arrival = arrival = self._loop.create_future()
        timer = None
        if timeout_s is not None:
            timer = self._loop.call_later(timeout_s, _release, arrival)
        try:
            await arrival
        finally:
            self._arrival = None
            if timer is not None:
                timer.cancel()

    async def _form_one(self) -> list[_Item]:
        """Gather from the first item on, until the size is reached or the time since then is over."""
        limits = self._limits
        size, wait_s, size_fn = (
            limits.max_batch_size,
            limits.batch_wait_timeout_s,
            limits.batch_size_fn,
        )
        deadline = self._loop.time() + wait_s
        batch: list[_Item] = []
        has_turned = False
        while True:
            if self._take(batch, size, size_fn):
                return batch
            left = deadline - self._loop.time()
            if left > 0:
                await self._wait_for_arrival(left)
            elif has_turned:
                return batch
            else:  # Whatever is on its way in this turn of the loop belongs to the batch.
                has_turned = True
                await asyncio.sleep(0)

    def _take(self, batch: list[_Item], size: int, size_fn: Callable | None) -> bool:
        """Move queued items to the batch. True: the batch is full."""
        if size_fn is None:
            while self._items and len(batch) < size:
                item = self._items.popleft()
                if not item.is_gone:
                    batch.append(item)
            return len(batch) >= size
        for _ in range(len(self._items)):
            item = self._items.popleft()
            if item.is_gone:
                continue
            try:
                total = size_fn([self._parameters.value(other) for other in (*batch, item)])
            except Exception as e:
                item.fail(e)
                continue
            if total <= size:
                batch.append(item)
                if total == size:
                    return True
            elif batch:
                self._items.append(item)  # the contract: to the back
                return True
            else:
                item.fail(
                    RuntimeError(
                        "Size of item is greater than max_batch_size. Please increase the max_batch_size or check "
                        "the implementation of the batch_size_fn."
                    )
                )
        return False

    # --- running ---

    async def _run_batch(self, batch: list[_Item]) -> None:
        async with self._permits:
            batch = [item for item in batch if not item.is_gone]
            groups: dict[str, list[_Item]] = {}
            for item in batch:
                groups.setdefault(
                    item.context.multiplexed_model_id if item.context else "", []
                ).append(item)
            if len(groups) == 1:
                await self._run_group(batch)
            elif groups:
                await asyncio.gather(*(self._run_group(group) for group in groups.values()))

    async def _run_group(self, items: list[_Item]) -> None:
        """Run the function on items of one model id, in the batch's own context."""
        contexts = [item.context for item in items if item.context is not None]
        if contexts:
            first = contexts[0]
            request_var.set(
                RequestContext(
                    app_name=first.app_name,
                    route=first.route,
                    multiplexed_model_id=first.multiplexed_model_id,
                )
            )
        batch_var.set(contexts)
        try:
            args, kwargs = self._parameters.columns(items)
            if self._has_instance:
                args = (self._instance(), *args)
            result = self._fn(*args, **kwargs)
            if self._is_generator:
                await self._hand_out_stream(items, result)
            else:
                self._hand_out(items, await result)
        except asyncio.CancelledError as e:
            for item in items:
                if item.results is None and not item.future.done():
                    item.future.cancel()
                elif item.results is not None:
                    item.fail(e)
            raise
        except Exception as e:
            for item in items:
                item.fail(e)

    def _hand_out(self, items: list[_Item], results: Any) -> None:
        _check_length(items, results)
        for item, result in zip(items, results, strict=False):
            if not item.future.done():
                item.future.set_result(result)

    async def _hand_out_stream(self, items: list[_Item], generator: AsyncIterator[Any]) -> None:
        live: list[_Item | None] = list(items)
        try:
            async for results in generator:
                _check_length(items, results)
                for i, result in enumerate(results):
                    item = live[i]
                    if item is None:
                        continue
                    if _is_end(result):
                        item.results.put_nowait(None)
                        live[i] = None
                    else:
                        item.results.put_nowait((True, result))
        except Exception as e:
            for item in live:
                if item is not None:
                    item.fail(e)
            return
        for item in live:
            if item is not None:
                item.results.put_nowait(None)


def _release(future: asyncio.Future) -> None:
    if not future.done():
        future.set_result(None)


def _check_length(items: list[_Item], results: Any) -> None:
    if len(results) != len(items):
        raise RayServeException(
            "Batched function doesn't preserve batch size. "
            f"The input list has length {len(items)} but the returned list has length {len(results)}."
        )


def _is_end(value: Any) -> bool:
    return (
        value is StopIteration
        or value is StopAsyncIteration
        or isinstance(value, (StopIteration, StopAsyncIteration))
    )


class _Parameters:
    """Turns the arguments of many calls into one list for each parameter."""

    def __init__(self, fn: Callable, has_instance: bool):
        parameters = list(inspect.signature(fn).parameters.values())
        self._signature = inspect.Signature(parameters[1:] if has_instance else parameters)

    def bind(self, args: tuple, kwargs: dict) -> None:
        """Check a call's arguments. TypeError."""
        self._signature.bind(*args, **kwargs)

    def value(self, item: _Item) -> Any:
        """What ``batch_size_fn`` is given for an item: its only argument, or the tuple of them."""
        values = (*item.args, *item.kwargs.values())
        return values[0] if len(values) == 1 else values

    def columns(self, items: list[_Item]) -> tuple[tuple, dict]:
        """One list for each parameter, as arguments for the function."""
        n = len(items[0].args)
        if all(not item.kwargs and len(item.args) == n for item in items):
            return tuple([item.args[i] for item in items] for i in range(n)), {}
        bound = [self._signature.bind(*item.args, **item.kwargs) for item in items]
        given = {name for one in bound for name in one.arguments}
        args: list = []
        kwargs: dict = {}
        for name, parameter in self._signature.parameters.items():
            if name not in given:
                continue
            column = [one.arguments.get(name, parameter.default) for one in bound]
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                for key in column[0]:
                    kwargs[key] = [extra[key] for extra in column]
            elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                args.extend(list(values) for values in zip(*column, strict=False))
            elif parameter.kind is inspect.Parameter.KEYWORD_ONLY or len(args) < self._position(
                name
            ):
                kwargs[name] = column
            else:
                args.append(column)
        return tuple(args), kwargs

    def _position(self, name: str) -> int:
        return list(self._signature.parameters).index(name)


class _Batched:
    """The queues of one decorated function, and the functions that the wrapper carries as attributes."""

    def __init__(self, fn: Callable, limits: _Limits):
        self.fn = fn
        self.limits = limits
        self.is_generator = inspect.isasyncgenfunction(fn)
        self._is_method: dict[type, bool] = {}
        self._free: _BatchQueue | None = None  # the queue of a function without an instance
        self._latest: _BatchQueue | None = None
        self._attribute = f"__serve_batch_{getattr(fn, '__name__', 'function')}_{id(self):x}"

    def split(self, args: tuple) -> tuple[Any, tuple]:
        """The instance, when the call came through a bound method, and the other arguments."""
        if not args:
            return None, args
        cls = type(args[0])
        is_method = self._is_method.get(cls)
        if is_method is None:
            found = getattr(cls, getattr(self.fn, "__name__", ""), None)
            is_method = self._is_method[cls] = getattr(found, "__wrapped__", None) is self.fn
        return (args[0], args[1:]) if is_method else (None, args)

    def queue(self, instance: Any) -> _BatchQueue:
        """The instance's queue on the running loop."""
        queue = self._free if instance is None else instance.__dict__.get(self._attribute)
        if queue is None or queue._loop is not asyncio.get_running_loop():
            queue = _BatchQueue(self.limits, self.fn, instance, self.is_generator)
            if instance is None:
                self._free = queue
            else:
                instance.__dict__[self._attribute] = queue
            self._latest = queue
            self.warn_if_never_full()
        return queue

    def warn_if_never_full(self) -> None:
        """Warn when the replica will never have as many requests as a batch could take."""
        context = get_internal_replica_context()
        config = context._deployment_config if context is not None else None
        if not isinstance(config, dict):
            return
        most = config.get("max_ongoing_requests", 5)
        wanted = self.limits.max_batch_size * self.limits.max_concurrent_batches
        if wanted > most:
            logger.warning(
                f"`max_batch_size` ({self.limits.max_batch_size}) * `max_concurrent_batches` "
                f"({self.limits.max_concurrent_batches}) is larger than `max_ongoing_requests` ({most}). This means "
                "the replica will never achieve the configured `max_batch_size` concurrently. Please update "
                "`max_ongoing_requests` to be greater than or equal to their product."
            )

    # --- attributes of the wrapper ---

    def set_max_batch_size(self, n: int) -> None:
        self.limits.max_batch_size = n
        self.warn_if_never_full()

    def set_batch_wait_timeout_s(self, seconds: float) -> None:
        self.limits.batch_wait_timeout_s = seconds

    def get_max_batch_size(self) -> int:
        return self.limits.max_batch_size

    def get_batch_wait_timeout_s(self) -> float:
        return self.limits.batch_wait_timeout_s

    def get_start_times(self) -> _RuntimeSummaryStatistics:
        return (
            self._latest.start_times()
            if self._latest is not None
            else _RuntimeSummaryStatistics([])
        )

    async def is_alive(self) -> bool:
        return self._latest is not None and not self._latest._former.done()

    async def get_stack(self) -> str | None:
        if self._latest is None:
            return None
        text = io.StringIO()
        self._latest._former.print_stack(file=text)
        return text.getvalue()

    def __reduce__(self):
        return _Batched, (self.fn, self.limits)


def _wrap(fn: Callable, limits: _Limits) -> Callable:
    batched = _Batched(fn, limits)

    if batched.is_generator:

        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            instance, arguments = batched.split(args)
            queue = batched.queue(instance)
            queue._parameters.bind(arguments, kwargs)
            item = _Item(arguments, kwargs, None, asyncio.Queue())
            queue.put(item)
            return _follow(item.results)

    else:

        @functools.wraps(fn)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            instance, arguments = batched.split(args)
            queue = batched.queue(instance)
            if kwargs:
                queue._parameters.bind(arguments, kwargs)
            future = queue._loop.create_future()
            queue.put(_Item(arguments, kwargs, future, None))
            return await future

    wrapper._get_max_batch_size = batched.get_max_batch_size
    wrapper._get_batch_wait_timeout_s = batched.get_batch_wait_timeout_s
    wrapper.set_max_batch_size = batched.set_max_batch_size
    wrapper.set_batch_wait_timeout_s = batched.set_batch_wait_timeout_s
    wrapper._get_curr_iteration_start_times = batched.get_start_times
    wrapper._is_batching_task_alive = batched.is_alive
    wrapper._get_handling_task_stack = batched.get_stack
    return wrapper


async def _follow(results: asyncio.Queue) -> AsyncIterator[Any]:
    """What one caller of a batched generator sees."""
    while True:
        entry = await results.get()
        if entry is None:
            return
        is_value, value = entry
        if not is_value:
            raise value
        yield value


def _check(size: Any, wait_s: Any, concurrent: Any, size_fn: Any) -> _Limits:
    if not isinstance(size, int):
        if isinstance(size, float) and size.is_integer():
            size = int(size)
        else:
            raise TypeError(f"max_batch_size must be integer >= 1, got {size}")
    if size < 1:
        raise ValueError(f"max_batch_size must be an integer >= 1, got {size}")
    if not isinstance(wait_s, (float, int)):
        raise TypeError(f"batch_wait_timeout_s must be a float >= 0, got {wait_s}")
    if wait_s < 0:
        raise ValueError(f"batch_wait_timeout_s must be a float >= 0, got {wait_s}")
    if not isinstance(concurrent, int) or concurrent < 1:
        raise TypeError(f"max_concurrent_batches must be an integer >= 1, got {concurrent}")
    if size_fn is not None and not callable(size_fn):
        raise TypeError(f"batch_size_fn must be a callable or None, got {type(size_fn)}")
    return _Limits(size, wait_s, concurrent, size_fn)


def batch(
    _func: Callable | None = None,
    /,
    max_batch_size: int = 10,
    batch_wait_timeout_s: float = 0.01,
    max_concurrent_batches: int = 1,
    batch_size_fn: Callable[[list], int] | None = None,
) -> Callable:
    """Gather calls of an ``async def`` into calls on lists; usable bare or with limits.

    The function is given one list for each parameter and returns (or, as a generator, yields) as many results. Raises
    TypeError and ValueError for limits that cannot be.
    """
    if _func is not None:
        if not callable(_func):
            raise TypeError("@serve.batch can only be used to decorate functions or methods.")
        if not inspect.iscoroutinefunction(_func):
            raise TypeError("Functions decorated with @serve.batch must be 'async def'")
    limits = _check(max_batch_size, batch_wait_timeout_s, max_concurrent_batches, batch_size_fn)

    def decorate(fn: Callable) -> Callable:
        return _wrap(fn, _Limits(*(getattr(limits, name) for name in _FIELDS)))

    return decorate(_func) if _func is not None else decorate


_FIELDS = ("max_batch_size", "batch_wait_timeout_s", "max_concurrent_batches", "batch_size_fn")
