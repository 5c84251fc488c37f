# SPDX-License-Identifier: Apache-2.0
"""Gradio."""

from model_service.private import GradioIngress
from model_service.private import GradioIngress as GradioServer

__all__ = ["GradioIngress", "GradioServer"]
