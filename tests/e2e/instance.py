# SPDX-License-Identifier: Apache-2.0
"""One real instance, started by `ray start` on ports and a temporary directory of its own."""

import atexit
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import requests

ROOT = Path(__file__).resolve().parent.parent.parent
APPS = Path(__file__).resolve().parent / "apps"
# MODEL_SERVICE_BIN names another folder with ray and serve, such as one built with sanitizers.
BIN = Path(os.environ.get("MODEL_SERVICE_BIN", ROOT / "build" / "venv" / "bin"))
PYTHON = ROOT / "build" / "venv" / "bin" / "python"
ALARMS = re.compile(r"^ALERT |AddressSanitizer|LeakSanitizer|runtime error:|assertion failed", re.M)
T = TypeVar("T")
# Whoever else runs instances on this machine, a person or another test run, is not found by ours, nor finds them.
RECORDS = Path(tempfile.mkdtemp(prefix="ms-records-"))
atexit.register(shutil.rmtree, RECORDS, ignore_errors=True)


def wait_for(what: str, probe: Callable[[], T], timeout_s: float = 20.0) -> T:
    """The first true answer of the probe.  It asks again and again, because what it waits for is another process."""
    deadline = time.monotonic() + timeout_s
    while True:
        if answer := probe():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout_s} s still waiting for {what}")
        time.sleep(0.02)


def free_ports(n: int) -> list[int]:
    """Ports that nobody listens on, below the range from which the kernel gives out client ports."""
    found: list[int] = []
    while len(found) < n:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return found


def processes_of(session_root: str) -> dict[int, str]:
    """pid → command line of every living process that belongs to the instance with this temporary directory."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes()
            if session_root.encode() in words + (entry / "environ").read_bytes() and words:
                found[int(entry.name)] = words.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


class Instance:
    def __init__(self, temp_dir: str, cwd: Path = APPS) -> None:
        self.temp_dir, self.cwd = temp_dir, cwd
        self.port, self.dashboard_port, self.agent_port, self.http_port = free_ports(4)
        self.dashboard = f"http://127.0.0.1:{self.dashboard_port}"
        self.http = f"http://127.0.0.1:{self.http_port}"
        self.env = {
            k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "SERVE_", "PYTEST"))
        }
        self.env |= {
            "RAY_ADDRESS": f"127.0.0.1:{self.port}",
            "RAY_DASHBOARD_ADDRESS": self.dashboard,
            "MODEL_SERVICE_RECORDS": str(RECORDS),
        }
        self.has_own_alarms = False  # set by a test that provokes an ALERT line

    # --- command lines

    def command(
        self, *words: str, timeout_s: float = 60, **more: Any
    ) -> subprocess.CompletedProcess:
        """Runs `ray …` or `serve …` against this instance, by default in the folder of the test applications."""
        return subprocess.run(
            [BIN / words[0], *words[1:]], cwd=more.pop("cwd", self.cwd), env=self.env | more.pop("env", {}),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, **more,
        )  # fmt: skip

    def python(
        self, script: str | Path, *words: str, timeout_s: float = 60
    ) -> subprocess.CompletedProcess:
        """Runs a driver script (a path, or source text)."""
        arguments = [str(script)] if isinstance(script, Path) else ["-c", script]
        return subprocess.run(
            [PYTHON, *arguments, *words], cwd=APPS, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=timeout_s,
        )  # fmt: skip

    def start(self, *options: str) -> None:
        done = self.command(
            "ray", "start", "--head", f"--temp-dir={self.temp_dir}", f"--port={self.port}",
            f"--dashboard-port={self.dashboard_port}", f"--dashboard-agent-listen-port={self.agent_port}",
            "--num-cpus=16", *options,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self) -> None:
        """`ray stop`, and the proof that nothing is left behind and nothing went wrong unseen."""
        done = self.command("ray", "stop", f"--temp-dir={self.temp_dir}")
        assert done.returncode == 0, done.stdout + done.stderr
        left = processes_of(self.temp_dir)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert not left, f"processes left after `ray stop`: {left}"
        sockets = [str(p) for p in Path(self.temp_dir).rglob("*") if p.is_socket()]
        assert not sockets, f"sockets left after `ray stop`: {sockets}"
        if not self.has_own_alarms:
            self.check_logs()

    def check_logs(self) -> None:
        for path in self.session.joinpath("logs").rglob("*"):
            if path.is_file() and (
                alarm := ALARMS.search(text := path.read_text(errors="replace"))
            ):
                raise AssertionError(
                    f"{path.name}: …{text[max(0, alarm.start() - 300) : alarm.start() + 3000]}"
                )

    # --- REST

    def put(self, config: dict[str, Any]) -> requests.Response:
        return requests.put(f"{self.dashboard}/api/serve/applications/", json=config, timeout=10)

    def config(self, *applications: dict[str, Any], **top: Any) -> dict[str, Any]:
        http = {"host": "127.0.0.1", "port": self.http_port} | top.pop("http_options", {})
        return {"http_options": http, "applications": list(applications), **top}

    def deploy(self, *applications: dict[str, Any], timeout_s: float = 30, **top: Any) -> None:
        """PUTs these applications and waits until all run."""
        answer = self.put(self.config(*applications, **top))
        assert answer.status_code == 200, answer.text
        self.wait_running(*(a.get("name", "default") for a in applications), timeout_s=timeout_s)

    def details(self) -> dict[str, Any]:
        answer = requests.get(f"{self.dashboard}/api/serve/applications/", timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def application(self, name: str) -> dict[str, Any]:
        return self.details()["applications"].get(
            name, {"status": "NOT_THERE", "message": "", "deployments": {}}
        )

    def wait_status(self, name: str, status: str, timeout_s: float = 30) -> dict[str, Any]:
        seen: dict[str, Any] = {}

        def probe() -> bool:
            seen.clear()
            seen.update(self.application(name))
            return seen["status"] == status

        try:
            wait_for(f"{name} to be {status}", probe, timeout_s)
        except AssertionError as error:
            raise AssertionError(
                f"{error}: {json.dumps(seen, indent=1)[:4000]}\n{self.log_tails()}"
            ) from None
        return seen

    def wait_running(self, *names: str, timeout_s: float = 30) -> None:
        for name in names:

            def probe(name: str = name) -> bool:
                seen = self.application(name)
                assert seen["status"] not in ("DEPLOY_FAILED", "UNHEALTHY"), (
                    f"{name}: {json.dumps(seen)[:4000]}"
                )
                return seen["status"] == "RUNNING"

            try:
                wait_for(f"{name} to run", probe, timeout_s)
            except AssertionError as error:
                raise AssertionError(
                    f"{error}\n{json.dumps(self.application(name))}\n{self.log_tails()}"
                ) from None

    def replicas(self, application: str, deployment: str, state: str = "RUNNING") -> dict[str, int]:
        """replica id → pid."""
        details = self.application(application)["deployments"].get(deployment, {"replicas": []})
        return {r["replica_id"]: r["pid"] for r in details["replicas"] if r["state"] == state}

    # --- HTTP

    def get(self, path: str, timeout_s: float = 20, **more: Any) -> requests.Response:
        return requests.get(self.http + path, timeout=timeout_s, **more)

    def post(self, path: str, timeout_s: float = 20, **more: Any) -> requests.Response:
        return requests.post(self.http + path, timeout=timeout_s, **more)

    def text(self, path: str, **more: Any) -> str:
        """The body of a GET that must be answered with 200."""
        answer = self.get(path, **more)
        assert answer.status_code == 200, (
            f"{path}: {answer.status_code} {answer.text[:2000]}\n{self.log_tails()}"
        )
        return answer.text

    # --- processes and logs

    @property
    def session(self) -> Path:
        return Path(self.temp_dir, "session_latest").resolve()

    def pid_of(self, program: str) -> int:
        """The pid of a running init, node, controller or proxy."""
        found = [
            p
            for p, line in processes_of(self.temp_dir).items()
            if re.search(rf"\S*model-service {program}\b", line)
        ]
        assert len(found) == 1, f"{program}: {processes_of(self.temp_dir)}"
        return found[0]

    def kill(self, program: str) -> None:
        """kill -9, and waits until another one runs in its place."""
        old = self.pid_of(program)
        os.kill(old, signal.SIGKILL)

        def probe() -> bool:
            lines = processes_of(self.temp_dir)
            return any(
                p != old and re.search(rf"\S*model-service {program}\b", line)
                for p, line in lines.items()
            )

        wait_for(f"another {program}", probe)

    def log(self, pattern: str) -> str:
        """The text of all log files of this pattern."""
        return "".join(
            p.read_text(errors="replace")
            for p in sorted(self.session.joinpath("logs").glob(pattern))
            if p.is_file()
        )

    def log_tails(self, n_lines: int = 15) -> str:
        said = []
        for path in sorted(self.session.joinpath("logs").rglob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-n_lines:]
            said.append(f"--- {path.name}\n" + "\n".join(lines))
        return "\n".join(said)


@contextlib.contextmanager
def running(*options: str, cwd: Path = APPS) -> Iterator[Instance]:
    temp_dir = tempfile.mkdtemp(prefix="ms-", dir="/tmp")  # short: a socket's path has 108 bytes
    instance = Instance(temp_dir, cwd)
    try:
        instance.start(*options)
        yield instance
        instance.stop()
    finally:
        for pid in processes_of(temp_dir):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(temp_dir, ignore_errors=True)
