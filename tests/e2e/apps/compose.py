# SPDX-License-Identifier: Apache-2.0
"""Deployments that call each other by handles, batch, and stream."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import numpy as np
from pydantic import BaseModel
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request


class Odd(Exception):
    def __init__(self, number: int) -> None:
        super().__init__(f"{number} is odd")
        self.number = number


@serve.deployment(max_ongoing_requests=64)
class Adder:
    def __init__(self, increment: int) -> None:
        self.increment = increment

    def add(self, value: int) -> int:
        return value + self.increment

    async def half(self, value: int) -> int:
        if value % 2:
            raise Odd(value)
        return value // 2

    def count(self, n: int) -> Iterator[int]:
        yield from range(n)

    async def acount(self, n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i
            await asyncio.sleep(0)

    def echo(self, value):
        return value

    async def wait(self, note: str) -> None:
        try:
            with open(note, "a") as file:
                file.write("begun\n")
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            with open(note, "a") as file:
                file.write("cancelled\n")
            raise


@serve.deployment(max_ongoing_requests=64)
class Batcher:
    def __init__(self) -> None:
        self.sizes: list[int] = []

    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.1)
    async def double(self, values: list[int]) -> list[int]:
        self.sizes.append(len(values))
        if 13 in values:
            raise ValueError("thirteen")
        return [2 * v for v in values]

    def batches(self) -> list[int]:
        return self.sizes


@serve.deployment(max_ongoing_requests=64)
class Front:
    def __init__(self, adder: DeploymentHandle, batcher: DeploymentHandle) -> None:
        self.adder, self.batcher = adder, batcher

    async def __call__(self, request: Request):
        query = request.query_params
        return await getattr(self, query["do"])(query)

    async def chain(self, query) -> int:
        """A response as the argument of the next call."""
        return await self.adder.add.remote(self.adder.add.remote(int(query["x"])))

    async def error(self, query) -> dict:
        try:
            return {"half": await self.adder.half.remote(int(query["x"]))}
        except Odd as odd:
            return {"odd": odd.number, "class": type(odd).__mro__[1].__name__}

    async def stream(self, query) -> list[int]:
        items = self.adder.options(stream=True, method_name=query.get("method", "count")).remote(
            int(query["x"])
        )
        return [item async for item in items]

    async def array(self, query) -> float:
        array = np.arange(int(query["x"]), dtype=np.float64)
        return float((await self.adder.echo.remote(array)).sum())

    async def batch(self, query) -> list:
        calls = [self.batcher.double.remote(i) for i in range(int(query["x"]))]
        return await asyncio.gather(*calls)

    async def bad_batch(self, query) -> list[str]:
        calls = [self.batcher.double.remote(i) for i in (1, 13)]
        return [type(r).__name__ for r in await asyncio.gather(*calls, return_exceptions=True)]

    async def batches(self, query) -> list[int]:
        return await self.batcher.batches.remote()

    async def wait(self, query) -> None:
        await self.adder.wait.remote(query["note"])

    async def other(self, query):
        return (
            await serve.get_app_handle(query["app"])
            .options(method_name="add")
            .remote(int(query["x"]))
        )

    async def unknown_app(self, query) -> str:
        try:
            serve.get_app_handle("nowhere")
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "no error"

    async def unknown_method(self, query) -> str:
        try:
            await self.adder.nothing.remote()
        except Exception as error:
            return type(error).__name__
        return "no error"


class Args(BaseModel):
    increment: int = 1


def build(args: Args):
    return Front.bind(Adder.bind(args.increment), Batcher.bind())


adder_app = Adder.bind(100)
app = Front.bind(Adder.bind(1), Batcher.bind())
