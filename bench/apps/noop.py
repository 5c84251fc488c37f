# SPDX-License-Identifier: Apache-2.0
"""The same trivial answer in three shapes, for us and for Ray Serve: bytes from a function, a Starlette
response from a class, and a FastAPI endpoint."""

from fastapi import FastAPI, Request
from ray import serve
from starlette.responses import Response


@serve.deployment(max_ongoing_requests=100)
class Bytes:
    async def __call__(self, request):
        return await request.body()


@serve.deployment(max_ongoing_requests=100)
class Starlette:
    async def __call__(self, request: Request) -> Response:
        return Response(await request.body(), media_type="application/octet-stream")


api = FastAPI()


@serve.deployment(max_ongoing_requests=100)
@serve.ingress(api)
class Fast:
    @api.post("/")
    async def echo(self, request: Request) -> Response:
        return Response(await request.body(), media_type="application/octet-stream")


bytes_app = Bytes.bind()
starlette_app = Starlette.bind()
fastapi_app = Fast.bind()
