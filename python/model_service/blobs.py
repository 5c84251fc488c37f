# SPDX-License-Identifier: Apache-2.0
"""Blobs: what a replica unpickles to get its function or class and its constructor's arguments.

A blob is the cloudpickle of ``{"func_or_class", "init_args", "init_kwargs"}``, stored under its SHA-256. Two kinds of
things in it are persistent ids: a bound Application (the replica finds a DeploymentHandle there) and, in builds, a
class or function that its module holds as a Deployment (the replica imports it, and so has one copy of the module's
globals).
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
import tempfile
import types
from collections.abc import Callable
from typing import Any

import cloudpickle
from cloudpickle.cloudpickle import _code_reduce

from .deployment import Application, Deployment

#: DESIGN §3: at most 64 MiB a deployment.
MAX_SIZE = 64 << 20


class _Pickler(cloudpickle.Pickler):
    def __init__(
        self, file: Any, on_application: Callable[[Application], tuple[str, str]], by_reference: Any
    ):
        super().__init__(file, protocol=5)
        self._on_application = on_application
        self._by_reference = by_reference

    def persistent_id(self, value: Any) -> tuple | None:
        if self._by_reference is not None and value is self._by_reference:
            return ("deployed", value.__module__, value.__qualname__)
        if isinstance(value, Application):
            return ("handle", *self._on_application(value))
        return None

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not types.CodeType:
            return super().reducer_override(value)
        # cloudpickle hides where code comes from; tracebacks are of more use with the file and its lines.
        make, args = _code_reduce(value)
        return make, tuple(value.co_filename if arg == "<dynamic-code>" else arg for arg in args)


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: tuple) -> Any:
        from .handle import DeploymentHandle

        kind, first, second = pid
        if kind == "handle":
            return DeploymentHandle(second, first)
        return _deployed(first, second)


def _deployed(module_name: str, name: str) -> Any:
    """The class or function behind a Deployment that a module holds."""
    import importlib

    value = getattr(importlib.import_module(module_name), name)
    return value.func_or_class if isinstance(value, Deployment) else value


def _is_importable(func_or_class: Any) -> bool:
    """Whether the module that defines it holds it as a Deployment under its own name."""
    module = sys.modules.get(getattr(func_or_class, "__module__", None) or "")
    if module is None or module.__name__ in ("__main__", "__mp_main__"):
        return False
    held = getattr(module, getattr(func_or_class, "__qualname__", ""), None)
    return isinstance(held, Deployment) and held.func_or_class is func_or_class


def dump(
    deployment: Deployment,
    on_application: Callable[[Application], tuple[str, str]],
    prefer_reference: bool,
) -> bytes:
    """The blob of a bound deployment.

    ``on_application`` gives (app, deployment) for each bound Application met. A class that its module holds as a
    Deployment goes by reference when ``prefer_reference`` (a build), else only when it does not pickle by value.
    Raises what pickling raises, RuntimeError for a blob above MAX_SIZE.
    """
    target = deployment.func_or_class
    content = {
        "func_or_class": target,
        "init_args": deployment.init_args,
        "init_kwargs": deployment.init_kwargs,
    }
    importable = _is_importable(target)
    try:
        data = _dump(content, on_application, target if importable and prefer_reference else None)
    except Exception:
        if not importable or prefer_reference:
            raise
        data = _dump(content, on_application, target)
    if len(data) > MAX_SIZE:
        raise RuntimeError(
            f"Deployment '{deployment.name}' pickles to {len(data) >> 20} MiB with its arguments; at most "
            f"{MAX_SIZE >> 20} MiB are allowed. Load large objects in the constructor."
        )
    return data


def _dump(content: dict, on_application: Callable, by_reference: Any) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, on_application, by_reference).dump(content)
    return buffer.getvalue()


def load(data: bytes) -> dict:
    """What ``dump`` made: ``{"func_or_class", "init_args", "init_kwargs"}``. Raises what importing raises."""
    return _Unpickler(io.BytesIO(data)).load()


def store(session_dir: str, data: bytes) -> str:
    """Write a blob into the session under its SHA-256, which is returned. OSError."""
    digest = hashlib.sha256(data).hexdigest()
    folder = os.path.join(session_dir, "blobs")
    path = os.path.join(folder, digest)
    if os.path.exists(path):
        return digest
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.replace(temporary, path)
    return digest


def read(session_dir: str, digest: str) -> bytes:
    """A stored blob. OSError; ValueError when the bytes are not those that were stored."""
    with open(os.path.join(session_dir, "blobs", digest), "rb") as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(f"Blob {digest} of session {session_dir} is damaged.")
    return data
