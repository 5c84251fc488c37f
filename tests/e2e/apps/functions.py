# SPDX-License-Identifier: Apache-2.0
"""Function and class deployments without FastAPI, for the end-to-end tests."""

import asyncio
import json
import os
import time

import numpy as np
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse


@serve.deployment
def hello(request: Request) -> str:
    return f"hello {request.query_params.get('name', 'world')}"


@serve.deployment
async def returns(request: Request):
    """What the query asks for, one of each row of the table of return values."""
    return {
        "none": lambda: None,
        "str": lambda: "žluťoučký",
        "bytes": lambda: b"\x00\xff",
        "dict": lambda: {"a": [1, 2], "b": None},
        "numpy": lambda: {"array": np.arange(3), "scalar": np.float32(0.5)},
        "response": lambda: JSONResponse({"teapot": True}, 418, {"x-kind": "tea"}),
        "plain": lambda: PlainTextResponse("plain"),
        "raise": lambda: 1 / 0,
    }[request.query_params["what"]]()


@serve.deployment
class Inspect:
    """Tells what it sees of a request."""

    async def __call__(self, request: Request) -> dict:
        body = await request.body()
        return {
            "method": request.method, "path": request.url.path, "root_path": request.scope["root_path"],
            "query": request.url.query, "headers": [[k, v] for k, v in request.headers.items()],
            "size": len(body), "sum": sum(body) % 65536, "pid": os.getpid(),
            "omp": os.environ.get("OMP_NUM_THREADS"), "cuda": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "mine": os.environ.get("MINE"), "application": serve.get_replica_context().app_name,
            "replica": serve.get_replica_context().replica_tag,
        }  # fmt: skip


@serve.deployment(graceful_shutdown_wait_loop_s=0.1)
class Counter:
    """A constructor with arguments, user_config, health checks, and a way to die."""

    def __init__(self, start: int, step: int = 1) -> None:
        self.value, self.step, self.config, self.healthy = start, step, None, True
        self.n_reconfigured = 0

    def reconfigure(self, config) -> None:
        if config.pop("fail", False):
            raise RuntimeError("reconfigure refused")
        self.config = config
        self.n_reconfigured += 1

    def check_health(self) -> None:
        if not self.healthy:
            raise RuntimeError("counter feels unwell")

    async def __call__(self, request: Request) -> dict:
        if "die" in request.query_params:
            os._exit(3)
        if "sick" in request.query_params:
            self.healthy = False
        self.value += self.step
        return {
            "value": self.value,
            "config": self.config,
            "pid": os.getpid(),
            "n": self.n_reconfigured,
        }


@serve.deployment(max_ongoing_requests=2)
class Slow:
    """Waits as long as the query says and writes into a file what happened to it."""

    def __init__(self) -> None:
        self.ongoing = self.most = 0

    async def __call__(self, request: Request) -> dict:
        note = request.query_params.get("note")
        self.ongoing += 1
        self.most = max(self.most, self.ongoing)
        try:
            if note:
                with open(note, "a") as file:
                    file.write("begun\n")
            await asyncio.sleep(float(request.query_params.get("s", "0")))
        except asyncio.CancelledError:
            if note:
                with open(note, "a") as file:
                    file.write("cancelled\n")
            raise
        finally:
            self.ongoing -= 1
        return {"most": self.most}


@serve.deployment
class Stream:
    async def chunks(self, n: int, note: str | None):
        try:
            for i in range(n):
                yield f"{i}:{time.monotonic()}\n"
                await asyncio.sleep(0.05)
        finally:
            if note:
                with open(note, "a") as file:
                    file.write("closed\n")

    async def __call__(self, request: Request) -> StreamingResponse:
        n, note = int(request.query_params.get("n", "5")), request.query_params.get("note")
        return StreamingResponse(self.chunks(n, note), media_type="text/event-stream")


@serve.deployment
def big(request: Request) -> bytes:
    return b"x" * int(request.query_params["size"])


@serve.deployment
def chatty(request: Request) -> str:
    print("a line from print")
    import logging

    logging.getLogger("ray.serve").info("a line from logging")
    return json.dumps(serve.get_replica_context().deployment)


hello_app = hello.bind()
returns_app = returns.bind()
inspect_app = Inspect.bind()
counter_app = Counter.bind(10, step=5)
slow_app = Slow.bind()
stream_app = Stream.bind()
big_app = big.bind()
chatty_app = chatty.bind()


def build_counter(args: dict):
    return Counter.bind(int(args.get("start", 0)))
