# SPDX-License-Identifier: Apache-2.0
"""The functions of ``ray.serve`` (contracts, ray-python-api §2.1)."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass
from typing import Any

from . import attach, client, local
from .context import get_internal_replica_context
from .deployment import Application
from .exceptions import RayServeException
from .handle import DeploymentHandle
from .status import ServeStatus

logger = logging.getLogger("ray.serve")

DEFAULT_PORT = 8000
_LEGACY_START_OPTIONS = ("http_host", "http_port", "http_middlewares")


@dataclass(frozen=True)
class RunTarget:
    """An application for ``run_many``, and how to run it."""

    target: Application
    name: str = "default"
    route_prefix: str | None = "/"
    logging_config: Any = None
    external_scaler_enabled: bool = False


def _plain(model: Any) -> dict | None:
    """A config model or a dictionary as JSON."""
    if model is None or isinstance(model, dict):
        return model
    return model.model_dump(mode="json", exclude_unset=True)


def start(
    proxy_location: Any = None,
    http_options: Any = None,
    grpc_options: Any = None,
    logging_config: Any = None,
    **legacy: Any,
) -> None:
    """Start Serve, and an instance where none runs. With Serve running already, new options are ignored with a warning.

    Raises ValueError for options that ended with Ray 2, pydantic's ValidationError for wrong ones.
    """
    from .config import HTTPOptions, LoggingConfig, ProxyLocation

    for name in _LEGACY_START_OPTIONS:
        if name in legacy:
            raise ValueError(
                f'{name} is deprecated, please use serve.start(http_options={{"{name}": {legacy[name]}}}) instead.'
            )
    if isinstance(http_options, dict):
        http_options = HTTPOptions.model_validate(http_options)
    if isinstance(logging_config, dict):
        logging_config = LoggingConfig(**logging_config)
    if isinstance(proxy_location, str):
        proxy_location = ProxyLocation(proxy_location)
    _start(
        _plain(http_options),
        getattr(proxy_location, "value", proxy_location),
        _plain(logging_config),
    )


def _start(
    http_options: dict | None = None,
    proxy_location: str | None = None,
    logging_config: dict | None = None,
) -> client.ServeControllerClient:
    served = client.ServeControllerClient(attach.connect())
    wanted = {k: v for k, v in (http_options or {}).items() if k in _HTTP_FIELDS}
    # What nobody sets is left to the controller: it moves on where the default port is taken.
    if "RAY_SERVE_DEFAULT_HTTP_HOST" in os.environ:
        wanted.setdefault("host", os.environ["RAY_SERVE_DEFAULT_HTTP_HOST"])
    if "RAY_SERVE_DEFAULT_HTTP_PORT" in os.environ:
        wanted.setdefault("port", int(os.environ["RAY_SERVE_DEFAULT_HTTP_PORT"]))
    options: dict[str, Any] = {"http_options": dict(wanted)}
    location = (http_options or {}).get("location")
    if proxy_location is None and location is not None:
        proxy_location = "Disabled" if location == "NoServer" else location
    if proxy_location is not None:
        options["proxy_location"] = proxy_location
    if logging_config is not None:
        options["logging_config"] = logging_config
    effective = served.start(options)
    if "port" not in wanted and effective.get("port") not in (None, DEFAULT_PORT):
        logger.warning(f"HTTP is served on port {effective['port']}, not on {DEFAULT_PORT}.")
    different = {k: v for k, v in wanted.items() if k in effective and effective[k] != v}
    if different:
        logger.warning(
            "The new client HTTP config differs from the existing one in the following fields: "
            f"{sorted(different)}. The new HTTP config is ignored."
        )
    return served


_HTTP_FIELDS = (
    "host", "port", "root_path", "request_timeout_s", "keep_alive_timeout_s",
    "ssl_keyfile", "ssl_certfile", "ssl_keyfile_password", "ssl_ca_certs",
)  # fmt: skip


def _check_route_prefix(prefix: str | None) -> None:
    if prefix is None:
        return
    if not prefix.startswith("/"):
        raise ValueError(f"Invalid route_prefix '{prefix}', must start with a forward slash ('/').")
    if prefix != "/" and prefix.endswith("/"):
        raise ValueError(f"Invalid route_prefix '{prefix}', may not end with a trailing '/'.")
    if "{" in prefix or "}" in prefix:
        raise ValueError(f"Invalid route_prefix '{prefix}', may not contain wildcards.")


def _check_target(target: RunTarget) -> None:
    if not isinstance(target.name, str) or not target.name:
        raise RayServeException("Application name must a non-empty string.")
    if not isinstance(target.target, Application):
        raise TypeError("`serve.run` expects an `Application` returned by `Deployment.bind()`.")
    _check_route_prefix(target.route_prefix)


def _force_local() -> bool:
    return os.environ.get("RAY_SERVE_FORCE_LOCAL_TESTING_MODE", "0") == "1"


def _run_many(
    targets: Any,
    *,
    wait_for_ingress_deployment_creation: bool = True,
    wait_for_applications_running: bool = True,
    _local_testing_mode: bool = False,
) -> list[DeploymentHandle]:
    targets = list(targets)
    if not targets:
        raise ValueError("No applications provided.")
    for target in targets:
        _check_target(target)
    if _local_testing_mode or _force_local():
        return [local.run(target.target, target.name) for target in targets]
    served = _start()
    handles = [
        served.deploy(
            target.target,
            target.name,
            target.route_prefix,
            _plain(target.logging_config),
            target.external_scaler_enabled,
        )
        for target in targets
    ]
    if wait_for_applications_running:
        for target in targets:
            served.wait_until_running(target.name)
    return handles


def run_many(
    targets: Any,
    blocking: bool = False,
    wait_for_ingress_deployment_creation: bool = True,
    wait_for_applications_running: bool = True,
    _local_testing_mode: bool = False,
) -> list[DeploymentHandle]:
    """Deploy several applications (RunTarget) and wait until all of them run; their ingresses' handles, in order."""
    handles = _run_many(
        targets,
        wait_for_ingress_deployment_creation=wait_for_ingress_deployment_creation,
        wait_for_applications_running=wait_for_applications_running,
        _local_testing_mode=_local_testing_mode,
    )
    if blocking:
        _block()
    return handles


def _run(
    target: Application,
    *,
    _blocking: bool = True,
    name: str = "default",
    route_prefix: str | None = "/",
    logging_config: Any = None,
    _local_testing_mode: bool = False,
    external_scaler_enabled: bool = False,
) -> DeploymentHandle:
    """``run`` that need not wait."""
    return _run_many(
        [RunTarget(target, name, route_prefix, logging_config, external_scaler_enabled)],
        wait_for_applications_running=_blocking,
        _local_testing_mode=_local_testing_mode,
    )[0]


def run(
    target: Application,
    blocking: bool = False,
    name: str = "default",
    route_prefix: str | None = "/",
    logging_config: Any = None,
    _local_testing_mode: bool = False,
    external_scaler_enabled: bool = False,
) -> DeploymentHandle:
    """Deploy an application, replacing one of the same name, and wait until it runs; its ingress's handle.

    Raises TypeError for what is no Application, RayServeException for a bad name or a prefix that another application
    has, ValueError for a malformed prefix, RuntimeError when deploying fails.
    """
    handle = _run(
        target,
        name=name,
        route_prefix=route_prefix,
        logging_config=logging_config,
        _local_testing_mode=_local_testing_mode,
        external_scaler_enabled=external_scaler_enabled,
    )
    if blocking:
        _block()
    return handle


def _block() -> None:
    """Sleep until Ctrl-C."""
    try:
        while True:
            time.sleep(10)
    except KeyboardInterrupt:
        logger.warning("Got KeyboardInterrupt, exiting...")
        raise


def shutdown() -> None:
    """Delete all applications and stop Serve; only a word in the log when it does not run."""
    local.shutdown()
    connection = attach.connect_if_running()
    if connection is None:
        logger.info(
            "Nothing to shut down. There's no Serve application running on this Ray cluster."
        )
        return
    client.ServeControllerClient(connection).shutdown()


async def shutdown_async() -> None:
    """``shutdown`` that does not block the loop."""
    await asyncio.to_thread(shutdown)


def delete(name: str, _blocking: bool = True) -> None:
    """Delete an application and wait until it is gone. TimeoutError after a minute."""
    client.running_client().delete(name, blocking=_blocking)


def status() -> ServeStatus:
    """The state of everything; an empty one when Serve does not run."""
    connection = attach.connect_if_running()
    return (
        ServeStatus() if connection is None else client.ServeControllerClient(connection).status()
    )


def get_app_handle(name: str) -> DeploymentHandle:
    """The handle of an application's ingress. RayServeException when Serve or the application does not run."""
    info = client.lookup(name)
    if info is None:
        raise RayServeException(f"Application '{name}' does not exist.")
    return client.get_handle(info["ingress"], name)


def get_deployment_handle(
    deployment_name: str,
    app_name: str | None = None,
    _check_exists: bool = True,
    _record_telemetry: bool = True,
) -> DeploymentHandle:
    """The handle of any deployment; inside a replica ``app_name`` is its own application's when left out."""
    context = get_internal_replica_context()
    if app_name is None:
        if context is None:
            client.running_client()
            raise RayServeException(
                "Please specify an application name when getting a deployment handle outside of a Serve application."
            )
        app_name = context.app_name
    if _check_exists:
        info = client.lookup(app_name)
        if info is None or deployment_name not in info["deployments"]:
            raise RayServeException(
                f"Deployment '{deployment_name}' in application '{app_name}' does not exist."
            )
    return client.get_handle(deployment_name, app_name)


def get_trace_context() -> None:
    """None: tracing is not on."""
    return
