# SPDX-License-Identifier: Apache-2.0
"""Request routers."""

from model_service.private import PowerOfTwoChoicesRequestRouter, RequestRouter

__all__ = ["PowerOfTwoChoicesRequestRouter", "RequestRouter"]
