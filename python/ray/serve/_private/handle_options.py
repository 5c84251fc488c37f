# SPDX-License-Identifier: Apache-2.0
"""Options of handles."""

from model_service.handle import DynamicHandleOptions, InitHandleOptions

__all__ = ["DynamicHandleOptions", "InitHandleOptions"]
