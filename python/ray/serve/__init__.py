# SPDX-License-Identifier: Apache-2.0
"""The name ``ray.serve``: everything here is made in ``model_service``."""

from typing import Any

from model_service.api import (
    RunTarget,
    _run,
    _run_many,
    delete,
    get_app_handle,
    get_deployment_handle,
    get_trace_context,
    run,
    run_many,
    shutdown,
    shutdown_async,
    start,
    status,
)
from model_service.asgi import ingress
from model_service.batch import batch
from model_service.context import get_replica_context, get_replica_rank, get_world_size
from model_service.deployment import Application, Deployment, deployment
from model_service.multiplex import get_multiplexed_model_id, multiplexed
from model_service.private import not_here as get_deployment_actor
from model_service.private import not_here as get_deployment_actor_context

from . import exceptions

#: Loaded when they are first named, for they need pydantic.
_LAZY = {"HTTPOptions": "config", "ControllerOptions": "config"}
_SUBMODULES = ("api", "batching", "config", "context", "handle", "metrics", "schema")


def __getattr__(name: str) -> Any:
    import importlib

    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Application",
    "Deployment",
    "HTTPOptions",
    "RunTarget",
    "_run",
    "_run_many",
    "batch",
    "delete",
    "deployment",
    "exceptions",
    "get_app_handle",
    "get_deployment_actor",
    "get_deployment_actor_context",
    "get_deployment_handle",
    "get_multiplexed_model_id",
    "get_replica_context",
    "get_replica_rank",
    "get_trace_context",
    "get_world_size",
    "ingress",
    "multiplexed",
    "run",
    "run_many",
    "shutdown",
    "shutdown_async",
    "start",
    "status",
]
