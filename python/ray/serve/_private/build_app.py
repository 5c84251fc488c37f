# SPDX-License-Identifier: Apache-2.0
"""Building."""

from model_service.private import BuiltApplication
from model_service.private import not_here as build_app

__all__ = ["BuiltApplication", "build_app"]
