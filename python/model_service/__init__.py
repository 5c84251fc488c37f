# SPDX-License-Identifier: Apache-2.0
"""The Python side of Model Service: builds applications, hosts replicas, and calls deployments.

The names that users import are those of ``ray`` and ``ray.serve`` (``python/ray``), which only re-export what is
made here. Nothing heavy is imported at the top of a module: FastAPI, Starlette, pydantic, NumPy and cloudpickle are
loaded by the first thing that needs them.
"""

__version__ = "0.1.0"

#: The release of Ray whose Python surface this package reproduces.
RAY_VERSION = "2.53.0"


def _ext_or_none():
    """The extension, or None where it is not built."""
    try:
        from . import _ext
    except ImportError:
        return None
    return _ext
