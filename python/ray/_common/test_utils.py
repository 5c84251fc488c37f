# SPDX-License-Identifier: Apache-2.0
"""Helpers of tests."""

from model_service.testing import async_wait_for_condition, wait_for_condition

__all__ = ["async_wait_for_condition", "wait_for_condition"]
