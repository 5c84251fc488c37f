# SPDX-License-Identifier: Apache-2.0
"""Small helpers."""

from model_service.imports import import_attr
from model_service.private import get_or_create_event_loop

__all__ = ["get_or_create_event_loop", "import_attr"]
