# SPDX-License-Identifier: Apache-2.0
"""From a bound application to an artefact (docs/interfaces.md §4).

``python -m model_service.build SPEC RESULT`` imports what an import path names, calls it when it is a builder, walks the
bind graph and writes the artefact. ``serve.run`` does the same in the driver by calling :func:`make_artefact`.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import os
import sys
import uuid
from collections.abc import Callable
from typing import Any

from . import blobs, options
from .asgi import is_ingress
from .deployment import Application, Deployment
from .exceptions import RayServeException, format_user_error
from .imports import import_attr

logger = logging.getLogger("ray.serve")

NOT_AN_APPLICATION = "Application builder functions must return an `Application` returned `from `Deployment.bind()`, but got: {}."


def call_builder(target: Any, args: dict | None) -> Application:
    """The application behind an import path: an Application itself, or a builder called with ``args``.

    Raises TypeError for what is neither, ValueError for arguments to an application that is built already.
    """
    args = args or {}
    if isinstance(target, Application):
        if args:
            raise ValueError(
                "Arguments can only be passed to an application builder function, not an already built application."
            )
        return target
    if not inspect.isfunction(target):
        raise TypeError(
            "Expected a built Serve application or an application builder function but got: "
            f"{type(target)}."
        )
    parameters = inspect.signature(target).parameters
    if len(parameters) != 1:
        raise TypeError(
            "Application builder functions should take exactly one parameter, a dictionary containing the passed "
            "arguments."
        )
    app = target(_converted(target, next(iter(parameters.values())), args))
    if not isinstance(app, Application):
        raise TypeError(NOT_AN_APPLICATION.format(type(app)))
    return app


def _converted(builder: Callable, parameter: inspect.Parameter, args: dict) -> Any:
    """The arguments as the builder's annotation wants them: a pydantic model of either generation, else the dict."""
    wanted = parameter.annotation
    if isinstance(wanted, str):  # from __future__ import annotations
        import typing

        wanted = typing.get_type_hints(builder).get(parameter.name, inspect.Parameter.empty)
    if not inspect.isclass(wanted):
        return args
    if hasattr(wanted, "model_validate"):
        return wanted.model_validate(args)
    if hasattr(wanted, "parse_obj"):
        return wanted.parse_obj(args)
    return args


class Walk:
    """Visits a bind graph from its ingress, names every deployment, and gathers their blobs."""

    def __init__(self, app_name: str, prefer_reference: bool):
        self._app_name = app_name
        self._prefer_reference = prefer_reference
        self._names: dict[int, str] = {}  # by id of the Application
        self._open: list[Application] = []  # their blobs are being made
        self._used: set[str] = set()
        self.found: list[
            tuple[str, Deployment, bytes, list[str]]
        ] = []  # name, deployment, blob, outbound

    def visit(self, app: Application) -> str:
        """The name of the application's deployment; its arguments' deployments are named before it."""
        known = self._names.get(id(app))
        if known is not None:
            return known
        if app in self._open:
            raise ValueError(f"Deployment '{app._bound_deployment.name}' is bound to itself.")
        self._open.append(app)
        deployment = app._bound_deployment
        outbound: list[str] = []

        def inner(bound: Application) -> tuple[str, str]:
            name = self.visit(bound)
            if name not in outbound:
                outbound.append(name)
            return self._app_name, name

        blob = blobs.dump(deployment, inner, self._prefer_reference)
        self._open.pop()
        name = self._unique(deployment.name)
        self._names[id(app)] = name
        self.found.append((name, deployment, blob, outbound))
        return name

    def _unique(self, wanted: str) -> str:
        name, n = wanted, 0
        while name in self._used:
            n += 1
            name = f"{wanted}_{n}"
        if n:
            logger.warning(
                f"There are multiple deployments with the same name '{wanted}'. Renaming one to '{name}'."
            )
        self._used.add(name)
        return name


def python_facts() -> dict:
    """Which Python runs here, and how it finds modules."""
    here = os.getcwd()
    path = [os.path.abspath(entry) if entry else here for entry in sys.path]
    return {
        "executable": sys.executable,
        "version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "sys_path": list(dict.fromkeys(path)),
        "cwd": here,
    }


def make_artefact(
    app: Application,
    app_name: str,
    store: Callable[[bytes], str],
    *,
    prefer_reference: bool = False,
    random_version: bool = True,
) -> dict:
    """The artefact of an application; ``store`` keeps a blob and returns its SHA-256.

    ``random_version``: what ``serve.run`` wants, a new version each time. RayServeException for two ingresses.
    """
    walk = Walk(app_name, prefer_reference)
    ingress = walk.visit(app)
    n_ingresses = sum(
        1 for _, deployment, _, _ in walk.found if is_ingress(deployment.func_or_class)
    )
    if n_ingresses > 1:
        raise RayServeException(
            f'Found multiple FastAPI deployments in application "{app_name}". Please only include one deployment with '
            "@serve.ingress in your application to avoid this issue."
        )
    deployments = [
        {
            "name": name,
            "blob": store(blob),
            "is_asgi": is_ingress(deployment.func_or_class),
            "docs_path": docs_path(deployment.func_or_class),
            "options": options.for_artefact(deployment._options),
            "outbound": outbound,
            "has_reconfigure": hasattr(deployment.func_or_class, "reconfigure"),
        }
        for name, deployment, blob, outbound in walk.found
    ]
    python = python_facts()
    return {
        "version": 1,
        "application": app_name,
        "ingress": ingress,
        "code_version": uuid.uuid4().hex
        if random_version
        else _content_version(deployments, python),
        "python": python,
        "deployments": deployments,
    }


def docs_path(func_or_class: Any) -> str | None:
    """Where an ingress's FastAPI app serves its documentation; None for other things and for app builders."""
    holder = getattr(func_or_class, "_model_service_asgi", None)
    return getattr(holder.app, "docs_url", None) if holder is not None else None


def _content_version(deployments: list[dict], python: dict) -> str:
    """Changes with the blobs, and with the unpacked code that a blob by reference will import."""
    digest = hashlib.sha256()
    for deployment in deployments:
        digest.update(f"{deployment['name']} {deployment['blob']}\n".encode())
    digest.update(json.dumps([python["sys_path"], python["cwd"]]).encode())
    return digest.hexdigest()


def build(spec: dict) -> dict:
    """The artefact for a build's spec. Raises what user code raises."""
    if spec.get("cwd"):
        os.chdir(spec["cwd"])
    for entry in reversed(spec.get("sys_path") or []):
        if entry not in sys.path:
            sys.path.insert(0, entry)
    app = call_builder(import_attr(spec["import_path"]), spec.get("args"))
    return make_artefact(
        app,
        spec["application"],
        lambda data: blobs.store(spec["session_dir"], data),
        prefer_reference=True,
        random_version=False,
    )


def main(argv: list[str]) -> int:
    """Read the spec, write the result; 1 when user code or the spec was at fault."""
    spec_path, result_path = argv[1], argv[2]
    with open(spec_path, encoding="utf-8") as file:
        spec = json.load(file)
    try:
        result = build(spec)
    except BaseException as e:
        result = {"error": format_user_error(e)}
    temporary = f"{result_path}.new"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(result, file)
    os.replace(temporary, result_path)
    return 1 if "error" in result else 0


if __name__ == "__main__":
    from model_service import build as this  # so that the module is not there twice

    sys.exit(this.main(sys.argv))
