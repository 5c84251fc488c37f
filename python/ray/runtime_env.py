# SPDX-License-Identifier: Apache-2.0
"""Environments."""

from model_service.core import RuntimeEnv, RuntimeEnvConfig

__all__ = ["RuntimeEnv", "RuntimeEnvConfig"]
