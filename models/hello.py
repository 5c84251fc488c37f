# SPDX-License-Identifier: Apache-2.0
"""The smallest application: a function that gets a request and returns something."""

from ray import serve
from starlette.requests import Request


@serve.deployment
def hello(request: Request) -> dict[str, str]:
    return {"hello": request.query_params.get("name", "world")}


app = hello.bind()
