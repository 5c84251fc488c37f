# SPDX-License-Identifier: Apache-2.0
"""What a driver (or a replica) asks of the controller: deploy, delete, status, handles."""

from __future__ import annotations

import logging
import time
from typing import Any
from urllib.parse import quote

from . import attach, blobs, build, call
from .context import get_internal_replica_context
from .deployment import Application
from .exceptions import RayServeException
from .handle import DeploymentHandle
from .status import ApplicationStatus, ServeStatus, status_from_details

logger = logging.getLogger("ray.serve")

NOT_RUNNING = "There is no Serve instance running on this Ray cluster."
APPLICATIONS = "/api/serve/applications/"
DELETE_TIMEOUT_S = 60

_handles: dict[tuple[str, str], DeploymentHandle] = {}


def get_handle(deployment: str, app: str) -> DeploymentHandle:
    """The process's handle of a deployment: the same object each time."""
    handle = _handles.get((deployment, app))
    if handle is None:
        handle = _handles[(deployment, app)] = DeploymentHandle(deployment, app)
    return handle


def lookup(app: str) -> dict | None:
    """``{"ingress", "deployments"}`` of an application; None when there is none. RayServeException without Serve."""
    if get_internal_replica_context() is None and call._transport is None:
        connection = attach.connect_if_running()
        if connection is None:
            raise RayServeException(NOT_RUNNING)
        connection.transport()
    return call.get_transport().lookup(app)


def lookup_or_none(app: str) -> dict | None:
    """``lookup``, also None where Serve does not run."""
    try:
        return lookup(app)
    except RayServeException:
        return None


#: Applications of ray.remote's own; nobody's deployments.
HIDDEN = "__ray_"


class ServeControllerClient:
    """The REST calls behind ``serve.run`` and its kin."""

    def __init__(self, connection: attach.Connection):
        self._connection = connection
        self.http_config: dict = {}

    def __reduce__(self):
        """A client that travels, say in a pydantic model's idea of its namespace, is the one of where it arrives."""
        return _lazy_client, ()

    @property
    def _rest(self) -> attach.Rest:
        return self._connection.rest

    @property
    def root_url(self) -> str | None:
        """Where HTTP requests go, without a final slash."""
        http = self._rest.checked("GET", "/api/model_service/instance").get("http")
        return f"http://{http['host']}:{http['port']}" if http else None

    def start(self, options: dict) -> dict:
        """Start Serve, or leave it as it runs; the HTTP options in effect."""
        answer = self._rest.checked("POST", "/api/model_service/start", options)
        self.http_config = answer.get("http_options") or {}
        return self.http_config

    def details(self) -> dict:
        """The document of GET /api/serve/applications/."""
        return self._rest.checked("GET", APPLICATIONS)

    def status(self) -> ServeStatus:
        status = status_from_details(self.details())
        for name in [name for name in status.applications if name.startswith(HIDDEN)]:
            del status.applications[name]
        return status

    def delete_apps(self, names: list, blocking: bool = True) -> None:
        """Delete several applications."""
        for name in names:
            self.delete(name, blocking=False)
        for name in names if blocking else ():
            self.delete(name)

    def shutdown_cached_handles(self) -> None:
        """Forget the handles that were given out."""
        _handles.clear()

    def delete_all_apps(self, blocking: bool = True) -> None:
        """Delete every application."""
        self.delete_apps(list(self.status().applications), blocking)

    def get_serve_status(self, name: str = "default") -> Any:
        """One application's overview."""
        return self.status().applications[name]

    def deploy(
        self,
        app: Application,
        name: str,
        route_prefix: str | None,
        logging_config: dict | None,
        external_scaler_enabled: bool = False,
    ) -> DeploymentHandle:
        """Send a new version of an application; does not wait. RayServeException when it is refused."""
        artefact = build.make_artefact(
            app, name, lambda data: blobs.store(self._connection.session_dir, data)
        )
        body = {
            "artefact": artefact,
            "route_prefix": route_prefix,
            "logging_config": logging_config,
            "external_scaler_enabled": external_scaler_enabled,
        }
        self._rest.checked("PUT", f"/api/model_service/applications/{quote(name, safe='')}", body)
        return get_handle(artefact["ingress"], name)

    def wait_until_running(self, name: str, timeout_s: float | None = None) -> None:
        """Wait until the application runs. RuntimeError when it fails, TimeoutError."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause = 0.01
        patience = _Patience(name)
        while True:
            app = self.details()["applications"].get(name)
            status = app["status"] if app is not None else ApplicationStatus.NOT_STARTED
            if status == ApplicationStatus.RUNNING:
                return
            if status == ApplicationStatus.DEPLOY_FAILED:
                raise RuntimeError(f"Deploying application {name} failed: {_why(app)}")
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"Application {name} did not become RUNNING after {timeout_s}s.")
            patience.say(app)
            time.sleep(pause)
            pause = min(pause * 1.3, 0.1)

    def delete(self, name: str, blocking: bool = True) -> None:
        """Delete an application. TimeoutError when it is still there after a minute."""
        self._rest.request("DELETE", f"/api/model_service/applications/{quote(name, safe='')}")
        for key in [key for key in _handles if key[1] == name]:
            del _handles[key]
        deadline = time.monotonic() + DELETE_TIMEOUT_S
        while blocking and name in self.details().get("applications", {}):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"Some of these applications weren't deleted after {DELETE_TIMEOUT_S}s: [{name!r}]"
                )
            time.sleep(0.05)

    def shutdown(self) -> None:
        """Stop Serve: applications and proxies; the instance stays."""
        self._rest.checked("DELETE", APPLICATIONS)
        _handles.clear()


class _Patience:
    """Tells a person who waits for an application why it does not run yet: after 5 seconds, and when that changes."""

    def __init__(self, name: str):
        self._name = name
        self._since = time.monotonic()
        self._said = ""

    def say(self, app: dict | None) -> None:
        why = _why(app) if app is not None else ""
        if why and why != self._said and time.monotonic() - self._since > 5:
            self._said = why
            logger.warning(f"Application '{self._name}' does not run yet: {why}")


def _why(app: dict) -> str:
    """An application's message and those of its failed deployments."""
    parts = [app.get("message", "")]
    for deployment in (app.get("deployments") or {}).values():
        if deployment.get("message") and deployment["message"] not in parts[0]:
            parts.append(deployment["message"])
    return "\n".join(part for part in parts if part)


def _lazy_client() -> ServeControllerClient:
    client = ServeControllerClient.__new__(ServeControllerClient)
    client._connection = attach.current()
    client.http_config = {}
    return client


def running_client() -> ServeControllerClient:
    """The client of the instance that runs. RayServeException when none does."""
    connection = attach.connect_if_running()
    if connection is None:
        raise RayServeException(NOT_RUNNING)
    return ServeControllerClient(connection)


def is_running() -> bool:
    """Whether Serve runs: its controller lists a proxy or an application."""
    connection = attach.connect_if_running()
    if connection is None:
        return False
    details = ServeControllerClient(connection).details()
    return bool(details.get("controller_info"))
