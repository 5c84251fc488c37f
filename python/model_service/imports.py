# SPDX-License-Identifier: Apache-2.0
"""Import paths, ``module.sub:attr`` or ``module.sub.attr``."""

from __future__ import annotations

import importlib
from typing import Any


def split_import_path(path: str) -> tuple[str, str]:
    """Module and attribute of an import path. ValueError with Ray Serve's texts."""
    if not path or (":" not in path and "." not in path):
        raise ValueError(
            f'Got invalid import path "{path}". An import path must contain at least on dot or colon separating the '
            "module (and potentially submodules) from the deployment graph. E.g.: "
            '"module.deployment_graph".'
        )
    if path.count(":") > 1:
        raise ValueError(
            f'Got invalid import path "{path}". An import path may have at most one colon.'
        )
    for mark, word in ((":", "colon"), (".", "dot")):
        if path.startswith(mark) or path.endswith(mark):
            raise ValueError(
                f'Got invalid import path "{path}". An import path may not start or end with a {word}.'
            )
    module, _, attribute = path.partition(":") if ":" in path else path.rpartition(".")
    return module, attribute


def import_attr(path: str, *, reload_module: bool = False) -> Any:
    """The object that an import path names. ImportError, AttributeError, ValueError."""
    module_name, attribute = split_import_path(path)
    module = importlib.import_module(module_name)
    if reload_module:
        importlib.reload(module)
    value: Any = module
    for part in attribute.split("."):
        value = getattr(value, part)
    return value
