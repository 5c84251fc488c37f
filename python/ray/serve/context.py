# SPDX-License-Identifier: Apache-2.0
"""Contexts."""

from model_service.client import running_client as _get_global_client
from model_service.context import (
    GangContext,
    ReplicaContext,
    _set_internal_replica_context,
    get_replica_context,
)
from model_service.context import RequestContext as _RequestContext
from model_service.context import get_batch_request_context as _get_serve_batch_request_context
from model_service.context import get_internal_replica_context as _get_internal_replica_context
from model_service.context import get_request_context as _get_serve_request_context
from model_service.context import request_var as _serve_request_context
from model_service.context import set_request_context as _set_request_context
from model_service.private import requests_pending_assignment as _requests_pending_assignment

__all__ = [
    "GangContext",
    "ReplicaContext",
    "_RequestContext",
    "_requests_pending_assignment",
    "_get_global_client",
    "_get_internal_replica_context",
    "_get_serve_batch_request_context",
    "_get_serve_request_context",
    "_serve_request_context",
    "_set_internal_replica_context",
    "_set_request_context",
    "get_replica_context",
]
