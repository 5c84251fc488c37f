# SPDX-License-Identifier: Apache-2.0
"""Helpers of tests."""

from model_service.test_actors import Collector, Semaphore, SignalActor
from model_service.testing import async_wait_for_condition, wait_for_condition

__all__ = [
    "Collector",
    "Semaphore",
    "SignalActor",
    "async_wait_for_condition",
    "wait_for_condition",
]
