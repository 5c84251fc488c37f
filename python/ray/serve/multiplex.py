# SPDX-License-Identifier: Apache-2.0
"""Multiplexing."""

from model_service.multiplex import _ModelMultiplexWrapper

__all__ = ["_ModelMultiplexWrapper"]
