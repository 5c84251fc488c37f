# SPDX-License-Identifier: Apache-2.0
"""The REST client."""

from model_service.private import ServeSubmissionClient

__all__ = ["ServeSubmissionClient"]
