# SPDX-License-Identifier: Apache-2.0
"""Protocol buffers."""

from . import serve_pb2, serve_pb2_grpc

__all__ = ["serve_pb2", "serve_pb2_grpc"]
