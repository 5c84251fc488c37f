# SPDX-License-Identifier: Apache-2.0
"""pydantic, of whichever generation is installed."""

from pydantic import BaseModel, Field, ValidationError

__all__ = ["BaseModel", "Field", "ValidationError"]
