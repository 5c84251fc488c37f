# SPDX-License-Identifier: Apache-2.0
"""Deployments and applications."""

from model_service.deployment import Application, Deployment

__all__ = ["Application", "Deployment"]
