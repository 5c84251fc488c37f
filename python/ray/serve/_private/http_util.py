# SPDX-License-Identifier: Apache-2.0
"""HTTP helpers."""

from model_service.asgi import make_class_based_view as make_fastapi_class_based_view
from model_service.private import ASGIReceiveProxy, MessageQueue
from model_service.private import not_here as configure_http_middlewares
from model_service.private import not_here as configure_http_options_with_defaults

__all__ = [
    "ASGIReceiveProxy",
    "MessageQueue",
    "configure_http_middlewares",
    "configure_http_options_with_defaults",
    "make_fastapi_class_based_view",
]
