# SPDX-License-Identifier: Apache-2.0
"""Handles and responses."""

from model_service.handle import DeploymentHandle, DeploymentResponse, DeploymentResponseGenerator

__all__ = ["DeploymentHandle", "DeploymentResponse", "DeploymentResponseGenerator"]
