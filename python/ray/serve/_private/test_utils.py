# SPDX-License-Identifier: Apache-2.0
"""Helpers of tests."""

from model_service.testing import (
    check_running,
    get_application_url,
    get_application_urls,
    request_with_retries,
    send_signal_on_cancellation,
    tlog,
)

__all__ = [
    "check_running",
    "get_application_url",
    "get_application_urls",
    "request_with_retries",
    "send_signal_on_cancellation",
    "tlog",
]
