# SPDX-License-Identifier: Apache-2.0
"""Serve's exceptions."""

from model_service.exceptions import (
    BackPressureError,
    DeploymentUnavailableError,
    RayServeException,
    RequestCancelledError,
    gRPCStatusError,
)

__all__ = [
    "BackPressureError",
    "DeploymentUnavailableError",
    "RayServeException",
    "RequestCancelledError",
    "gRPCStatusError",
]
