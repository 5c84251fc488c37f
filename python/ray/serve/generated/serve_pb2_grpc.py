# SPDX-License-Identifier: Apache-2.0
"""gRPC services."""

from model_service.private import not_here as add_UserDefinedServiceServicer_to_server

__all__ = ["add_UserDefinedServiceServicer_to_server"]
