# SPDX-License-Identifier: Apache-2.0
"""The functions of ``ray`` itself: connecting, and what is known of the cluster (contracts, ray-python-api §3)."""

from __future__ import annotations

import atexit
import json
import os
from typing import Any

from . import attach
from .context import get_internal_replica_context


class RuntimeEnv(dict):
    """``ray.runtime_env.RuntimeEnv``: a dictionary with named fields."""

    def __init__(self, **fields: Any):
        super().__init__({key: value for key, value in fields.items() if value is not None})

    def to_dict(self) -> dict:
        return dict(self)


class RuntimeEnvConfig(dict):
    """``ray.runtime_env.RuntimeEnvConfig``."""

    def __init__(
        self,
        setup_timeout_seconds: int = 600,
        eager_install: bool = True,
        log_files: list | None = None,
    ):
        super().__init__(
            setup_timeout_seconds=setup_timeout_seconds,
            eager_install=eager_install,
            log_files=log_files or [],
        )


class ClientContext(dict):
    """What ``ray.init`` returns: addresses, and a context manager that disconnects."""

    @property
    def address_info(self) -> dict:
        return dict(self)

    @property
    def dashboard_url(self) -> str:
        return self.get("webui_url", "")

    def disconnect(self) -> None:
        shutdown()

    def __enter__(self) -> ClientContext:
        return self

    def __exit__(self, *_: Any) -> None:
        shutdown()


#: Options of ray.init that the command line of an own instance knows.
_START_OPTIONS = {
    "num_cpus": "--num-cpus",
    "num_gpus": "--num-gpus",
    "dashboard_host": "--dashboard-host",
    "dashboard_port": "--dashboard-port",
    "_temp_dir": "--temp-dir",
}


def init(
    address: str | None = None, *, ignore_reinit_error: bool = False, **options: Any
) -> ClientContext:
    """Connect to an instance, or start one. RuntimeError the second time without ``ignore_reinit_error``.

    Options that an instance of ours has no use for are accepted.
    """
    if attach.current() is not None:
        if not ignore_reinit_error and address is not None:
            raise RuntimeError(
                "Maybe you called ray.init twice by accident? This error can be suppressed by passing in "
                "'ignore_reinit_error=True' or by calling 'ray.shutdown()' prior to 'ray.init()'."
            )
        return _context(attach.current())
    start = [
        f"{flag}={options[name]}"
        for name, flag in _START_OPTIONS.items()
        if options.get(name) is not None
    ]
    if options.get("resources"):
        start.append(f"--resources={json.dumps(options['resources'])}")
    return _context(attach.connect(address, start))


def _context(connection: attach.Connection) -> ClientContext:
    record = connection.record
    return ClientContext(
        address=record.address,
        gcs_address=record.address,
        webui_url=record.dashboard_url.removeprefix("http://"),
        session_dir=connection.session_dir,
        node_id=_instance().get("node_id", ""),
    )


def shutdown(_exiting_interpreter: bool = False) -> None:
    """Disconnect; an instance that this process started ends, with Serve."""
    from . import client, local

    local.shutdown()
    from . import actors

    actors.end_with_process()
    client._handles.clear()
    attach.disconnect()


def is_initialized() -> bool:
    """Whether this process is connected."""
    return attach.current() is not None or get_internal_replica_context() is not None


def _instance() -> dict:
    """What the controller says of the instance; connects when need be."""
    return attach.connect().rest.checked("GET", "/api/model_service/instance")


def nodes() -> list[dict]:
    """The nodes of the cluster: this one."""
    info = _instance()
    return [
        {
            "NodeID": info.get("node_id"),
            "Alive": True,
            "NodeManagerAddress": info.get("node_ip"),
            "Resources": info.get("resources", {}),
            "Labels": {},
        }
    ]


def cluster_resources() -> dict:
    """Resources by name."""
    return dict(_instance().get("resources", {}))


def available_resources() -> dict:
    """Resources by name."""
    return cluster_resources()


class RuntimeContext:
    """``ray.get_runtime_context()``."""

    @property
    def namespace(self) -> str:
        return "serve"

    @property
    def gcs_address(self) -> str:
        connection = attach.connect_if_running()
        return connection.record.address if connection is not None else ""

    @property
    def runtime_env(self) -> RuntimeEnv:
        return RuntimeEnv()

    def get_node_id(self) -> str:
        return os.environ.get("MODEL_SERVICE_NODE_ID", "") or _instance().get("node_id", "")

    @property
    def current_actor(self) -> Any:
        from .actors import SelfActor

        return SelfActor()

    def get_actor_id(self) -> str | None:
        context = get_internal_replica_context()
        return None if context is None else context.replica_tag

    def get_worker_id(self) -> str:
        return str(os.getpid())

    def get_job_id(self) -> str:
        return "01000000"

    def get_assigned_resources(self) -> dict:
        return {}


def get_runtime_context() -> RuntimeContext:
    """Facts of where this code runs."""
    return RuntimeContext()


def _end() -> None:
    from . import actors

    actors.end_with_process()
    if attach.current() is not None:
        attach.disconnect()


atexit.register(_end)
