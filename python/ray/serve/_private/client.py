# SPDX-License-Identifier: Apache-2.0
"""The controller's client."""

from model_service.client import ServeControllerClient

__all__ = ["ServeControllerClient"]
