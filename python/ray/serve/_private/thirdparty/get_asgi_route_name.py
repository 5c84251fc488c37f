# SPDX-License-Identifier: Apache-2.0
"""Route names."""

from model_service.asgi import extract_route_patterns, get_asgi_route_name

__all__ = ["extract_route_patterns", "get_asgi_route_name"]
