# SPDX-License-Identifier: Apache-2.0
"""The name ``ray``: everything here is made in ``model_service``."""

from typing import Any

from model_service import RAY_VERSION as __version__
from model_service import exceptions as _exceptions  # noqa: F401
from model_service.actors import cancel, get_actor, kill, remote
from model_service.core import (
    available_resources,
    cluster_resources,
    get_runtime_context,
    init,
    is_initialized,
    nodes,
    shutdown,
)
from model_service.refs import ObjectRef, ObjectRefGenerator, get, put, wait

from . import exceptions

__commit__ = "model-service"

#: Submodules that are loaded when they are first named.
_LAZY = ("actor", "cloudpickle", "runtime_env", "serve", "util")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ObjectRef",
    "ObjectRefGenerator",
    "__version__",
    "available_resources",
    "cancel",
    "cluster_resources",
    "exceptions",
    "get",
    "get_actor",
    "get_runtime_context",
    "init",
    "is_initialized",
    "kill",
    "nodes",
    "put",
    "remote",
    "shutdown",
    "wait",
]
