# SPDX-License-Identifier: Apache-2.0
"""A FastAPI ingress: class views, dependencies, lifespan, validation, errors, streaming, batching."""

import asyncio
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from ray import serve


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.is_up = True
    yield


fastapi = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float = 1.0


def token(request: Request) -> str:
    return request.headers.get("x-token", "none")


@fastapi.get("/outside")
def outside() -> str:
    return "outside"


@serve.deployment(max_ongoing_requests=64)
@serve.ingress(fastapi)
class Shop:
    def __init__(self) -> None:
        self.items: dict[int, Item] = {}

    @fastapi.get("/")
    async def root(self, request: Request) -> dict:
        return {"is_up": request.app.state.is_up, "n": len(self.items)}

    @fastapi.post("/items/{number}", status_code=201)
    def put(self, number: int, item: Item) -> Item:
        self.items[number] = item
        return item

    @fastapi.get("/items/{number}")
    async def get(self, number: int) -> Item:
        if number not in self.items:
            raise HTTPException(404, "no such item")
        return self.items[number]

    @fastapi.get("/token")
    async def token(self, value: str = Depends(token)) -> str:
        return value

    @fastapi.get("/boom")
    async def boom(self) -> None:
        raise RuntimeError("boom")

    @fastapi.get("/stream")
    async def stream(self) -> StreamingResponse:
        async def numbers():
            for i in range(4):
                yield f"{i},"
                await asyncio.sleep(0.01)

        return StreamingResponse(numbers(), media_type="text/plain")

    @serve.batch(max_batch_size=4, batch_wait_timeout_s=0.05)
    async def squares(self, values: list[int]) -> list[int]:
        return [v * v for v in values]

    @fastapi.get("/square")
    async def square(self, value: int) -> int:
        return await self.squares(value)


app = Shop.bind()
