# SPDX-License-Identifier: Apache-2.0
"""The peers' side of noop.py, for uvicorn and granian: a bare ASGI echo, Starlette, FastAPI."""

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response


async def bytes_app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def starlette_app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await bytes_app(scope, receive, send)
    request = Request(scope, receive)
    answer = Response(await request.body(), media_type="application/octet-stream")
    await answer(scope, receive, send)


fastapi_app = FastAPI()


@fastapi_app.post("/")
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")
