# SPDX-License-Identifier: Apache-2.0
"""gRPC."""

from model_service.private import RayServegRPCContext

__all__ = ["RayServegRPCContext"]
