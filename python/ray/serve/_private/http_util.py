# SPDX-License-Identifier: Apache-2.0
"""HTTP helpers."""

from model_service.asgi import make_class_based_view as make_fastapi_class_based_view

__all__ = ["make_fastapi_class_based_view"]
