# SPDX-License-Identifier: Apache-2.0
"""A replica's process: ``python -m model_service.replica``, started by the node (docs/interfaces.md §2 and §5).

The user's loop is the main thread's. The process joins the node, is told who it is, constructs the servable inside
the loop, joins the router and serves until it is told to stop.
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from math import ceil
from typing import Any

from . import blobs, call
from .context import request_var
from .exceptions import format_user_error
from .host import Host
from .logs import ReplicaLog
from .servable import Servable

logger = logging.getLogger("ray.serve")

#: A constructor does not wait longer than this for the proxy; calls that it makes then fail.
ROUTER_TIMEOUT_S = 5


class Replica:
    """The life of one replica."""

    def __init__(self, link: Any, session_dir: str, replica_id: str):
        self._link = link
        self._session_dir = session_dir
        self._replica_id = replica_id
        self._spec: asyncio.Future = asyncio.get_running_loop().create_future()
        self._stop: asyncio.Future = asyncio.get_running_loop().create_future()
        self._log: ReplicaLog | None = None
        self._servable: Servable | None = None
        self._host = Host(link, None, None, None)  # type: ignore[arg-type]  # both are set when the spec is here
        self._host.on_control = self._take_control
        self._tasks: set[asyncio.Task] = set()
        self._state: tuple[str, dict] | None = None  # what the node was told last
        self._controls: dict[str, Callable[[dict], Any]] = {
            "reconfigure": self._reconfigure,
            "check_health": self._check_health,
        }

    async def run(self) -> int:
        """Serve until stopped; the process's exit status."""
        self._host.attach()
        call.set_transport(self._host.transport)
        await asyncio.wait([self._spec, self._stop], return_when=asyncio.FIRST_COMPLETED)
        if not self._spec.done():
            return 0
        try:
            await self._start(self._spec.result())
        except asyncio.CancelledError:
            raise
        except BaseException as e:
            text = format_user_error(e)
            logger.error("Replica failed to start.\n%s", text.rstrip())
            await self._report("failed", {"error": text})
            return 1
        how = await self._stop
        await self._drain(how)
        return 0

    # --- start ---

    async def _start(self, spec: dict) -> None:
        app, deployment, config = spec["app"], spec["deployment"], spec["config"]
        self._log = self._host._log = ReplicaLog(
            self._session_dir, app, deployment, self._replica_id
        )
        self._log.configure(config.get("logging_config"))
        _enter(spec["python"])
        _name_process(app, deployment)
        self._set_executor(spec.get("resources") or {})
        await self._report("phase", {"phase": "import"})
        # Constructors may call deployments; requests come only once the controller has heard that we are ready.
        self._link.join(json.dumps({"deployment": f"{app}#{deployment}"}))
        content = blobs.load(blobs.read(self._session_dir, spec["blob"]))
        await self._host.wait_for_router(ROUTER_TIMEOUT_S)
        await self._report("phase", {"phase": "construct"})
        servable = Servable(content, app, deployment, self._replica_id, config)
        self._servable = self._host._servable = servable
        # Constructors log and call as their application, outside any request.
        token = request_var.set(None)
        try:
            await servable.start()
        finally:
            request_var.reset(token)
        self._host.ready()
        docs = getattr(servable.asgi_app, "docs_url", None)
        await self._report("ready", {"docs_path": docs, "methods": servable.method_names})

    def _set_executor(self, resources: dict) -> None:
        """``asyncio.to_thread`` gets as many threads as the contract says for the replica's CPUs."""
        n_cpus = resources.get("num_cpus")
        if n_cpus is None:
            return
        from concurrent.futures import ThreadPoolExecutor

        n_threads = min(32, max(1, ceil(n_cpus)) + 4)
        asyncio.get_running_loop().set_default_executor(
            ThreadPoolExecutor(n_threads, "model-service")
        )

    # --- control ---

    def _take_control(self, name: str, body: str) -> None:
        value = json.loads(body) if body else {}
        if name == "spec":
            if not self._spec.done():
                self._spec.set_result(value)
            elif self._state is not None:  # another node daemon: it may have missed this
                self._link.control(self._state[0], json.dumps(self._state[1]))
        elif name == "stop":
            if not self._stop.done():
                self._stop.set_result(value)
        elif name in self._controls:
            task = asyncio.get_running_loop().create_task(self._controls[name](value))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            logger.warning(f"Unknown control message {name!r}.")

    async def _report(self, name: str, body: dict) -> None:
        """Tell the node how far we are; a later node daemon hears it too."""
        self._state = (name, body)
        await self._say(name, body)

    async def _say(self, name: str, body: dict) -> None:
        self._link.control(name, json.dumps(body))
        self._link.flush()

    async def _reconfigure(self, config: dict) -> None:
        error = None
        try:
            self._log.configure(config.get("logging_config"))
            await self._servable.update(config)
        except Exception as e:
            error = format_user_error(e)
            logger.error("Reconfiguring failed.\n%s", error.rstrip())
        await self._say("reconfigured", {"error": error})

    async def _check_health(self, _: dict) -> None:
        error = None
        try:
            await self._servable.check_health()
        except Exception as e:
            error = format_user_error(e)
        await self._say("health", {"error": error})

    # --- end ---

    async def _drain(self, how: dict) -> None:
        """Wait until nothing runs, then run the destructor."""
        pause_s = how.get("wait_loop_s", 2.0)
        logger.info(f"Waiting {pause_s}s for ongoing requests before the replica ends.")
        await asyncio.sleep(pause_s)
        while self._host.running:
            await asyncio.sleep(min(max(pause_s, 0.01), 0.5))
        await self._servable.stop()
        self._log.flush()


def _enter(python: dict) -> None:
    """Find modules where the artefact's maker found them."""
    cwd = python.get("cwd")
    if cwd and os.path.isdir(cwd):
        os.chdir(cwd)
    known = set(sys.path)
    sys.path[:0] = [entry for entry in python.get("sys_path") or [] if entry not in known]


def _name_process(app: str, deployment: str) -> None:
    """What ``ps`` and ``top`` show."""
    try:
        with open("/proc/self/comm", "w", encoding="utf-8") as file:
            file.write(f"replica:{app}:{deployment}"[:15])
    except OSError:
        pass


async def _main(link: Any, session_dir: str, replica_id: str) -> int:
    replica = Replica(link, session_dir, replica_id)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(
        signal.SIGTERM, lambda: replica._take_control("stop", '{"wait_loop_s": 0}')
    )
    request_var.set(None)
    return await replica.run()


def main() -> int:
    """Attach to the node named by the environment and serve."""
    from . import _ext

    faulthandler.enable()
    session_dir = os.environ["MODEL_SERVICE_SESSION_DIR"]
    replica_id = os.environ["MODEL_SERVICE_REPLICA_ID"]
    token = os.environ.pop("MODEL_SERVICE_START_TOKEN", "")
    info = {"pid": os.getpid(), "python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    link = _ext.Link("replica", session_dir, replica_id, token, json.dumps(info))
    status = asyncio.run(_main(link, session_dir, replica_id))
    sys.stdout.flush()
    sys.stderr.flush()
    link.close()
    # Threads of user code must not keep a stopped replica alive.
    os._exit(status)


if __name__ == "__main__":
    from model_service import replica as this  # so that classes of this module are there once

    sys.exit(this.main())
