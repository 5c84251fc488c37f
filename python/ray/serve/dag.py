# SPDX-License-Identifier: Apache-2.0
"""Deployment graphs."""

from model_service.private import InputNode

__all__ = ["InputNode"]
