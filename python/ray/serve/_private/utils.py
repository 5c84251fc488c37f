# SPDX-License-Identifier: Apache-2.0
"""Small helpers."""

from model_service.handle import make_request_id as generate_request_id
from model_service.options import DEFAULT
from model_service.private import get_random_string

__all__ = ["DEFAULT", "generate_request_id", "get_random_string"]
