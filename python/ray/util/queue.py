# SPDX-License-Identifier: Apache-2.0
"""Queues."""

from model_service.private import Queue

__all__ = ["Queue"]
