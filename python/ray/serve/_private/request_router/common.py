# SPDX-License-Identifier: Apache-2.0
"""Request routers."""

from model_service.private import PendingRequest

__all__ = ["PendingRequest"]
