# SPDX-License-Identifier: Apache-2.0
"""Request routers."""

from model_service.private import FIFOMixin, LocalityMixin, MultiplexMixin, RequestRouter

__all__ = ["FIFOMixin", "LocalityMixin", "MultiplexMixin", "RequestRouter"]
