# SPDX-License-Identifier: Apache-2.0
"""Applications that do not work, each in its own way."""

from ray import serve


@serve.deployment
class NoConstructor:
    def __init__(self) -> None:
        raise RuntimeError("the weights are missing")

    def __call__(self, request) -> str:
        return "never"


@serve.deployment
def fine(request) -> str:
    return "fine"


app = NoConstructor.bind()
not_an_app = 42


def two(first, second):
    return fine.bind()
