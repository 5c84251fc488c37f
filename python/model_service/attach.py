# SPDX-License-Identifier: Apache-2.0
"""How a driver finds an instance, or starts one of its own (DESIGN §16, "Finding an instance")."""

from __future__ import annotations

import fcntl
import glob
import json
import logging
import os
import sys
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from . import _ext_or_none, call
from .exceptions import ActorUnavailableError, RayServeException, RaySystemError

logger = logging.getLogger("ray.serve")

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


@dataclass
class Record:
    """What init says of an instance in ``/tmp/model-service-<uid>/<port>.json``."""

    pid: int
    address: str
    dashboard_url: str
    session_dir: str

    @classmethod
    def read(cls, path: str) -> Record | None:
        """The record of a living instance; None for a dead one's, or for what is no record."""
        try:
            with open(path, encoding="utf-8") as file:
                if not _is_locked(file.fileno()):
                    return None
                fields = json.load(file)
            return cls(
                *(fields[name] for name in ("pid", "address", "dashboard_url", "session_dir"))
            )
        except (OSError, ValueError, KeyError):
            return None


def _is_locked(fd: int) -> bool:
    """Whether somebody, that is, init, holds the file's lock."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def records() -> list[Record]:
    """The living instances of this user, the newest first."""
    folder = os.environ.get("MODEL_SERVICE_RECORDS", f"/tmp/model-service-{os.getuid()}")
    paths = glob.glob(f"{folder}/*.json")
    paths.sort(key=lambda path: _mtime(path), reverse=True)
    return [record for record in map(Record.read, paths) if record is not None]


def _mtime(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def find(address: str | None = None) -> Record | None:
    """The instance at ``address`` (``host:port`` or the dashboard's URL), that of RAY_ADDRESS, or the newest.

    None: there is none. RaySystemError: an address was named and nothing answers there.
    """
    known = records()
    session = os.environ.get("MODEL_SERVICE_SESSION_DIR")
    if session and address is None:  # a replica: its own instance
        return next((record for record in known if record.session_dir == session), None)
    address = address or os.environ.get("RAY_ADDRESS") or "auto"
    if address in ("auto", "local"):
        return known[0] if known else None
    if address.startswith("ray://"):
        address = address[len("ray://") :]
    if address.startswith("http"):
        for record in known:
            if record.dashboard_url.rstrip("/") == address.rstrip("/"):
                return record
        return Record(0, "", address, "")
    port = address.rpartition(":")[2]
    for record in known:
        if record.address == address or record.address.rpartition(":")[2] == port:
            return record
    raise RaySystemError(
        f"No instance of Model Service runs at {address}. Running here: "
        f"{', '.join(record.address for record in known) or 'none'}. Start one with `ray start --head`."
    )


# --- starting one -----------------------------------------------------------------------------------------------------


def executable(name: str) -> str:
    """The path of one of our programs: beside this Python, in this repository's build, or on PATH."""
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in (
        os.environ.get("MODEL_SERVICE_BIN"),
        os.path.dirname(sys.executable),
        os.path.join(here, "..", "..", "build", "bin"),
    ):
        path = os.path.join(folder, name) if folder else ""
        if path and os.access(path, os.X_OK):
            return os.path.abspath(path)
    import shutil

    found = shutil.which(name)
    if found is None:
        raise RaySystemError(
            f"The program `{name}` was not found beside {sys.executable} or on PATH."
        )
    return found


class OwnInstance:
    """An instance that this process has started: it ends with the process, or by ``stop``."""

    def __init__(self, options: list[str]):
        import subprocess

        ready_read, ready_write = os.pipe()
        owner_read, self._owner = os.pipe()
        command = [
            executable("ray"), "start", "--head", "--block",
            f"--ready-fd={ready_write}", f"--owner-fd={owner_read}", *options,
        ]  # fmt: skip
        try:
            self._process = subprocess.Popen(
                command,
                pass_fds=(ready_write, owner_read),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(ready_write)
            os.close(owner_read)
        word = _read_line(ready_read)
        if word != "ready":
            self._process.wait(STOP_TIMEOUT_S)
            raise RaySystemError(f"Model Service did not start: {word or 'see its output above.'}")
        self.record = next((r for r in records() if r.pid == self._process.pid), None)
        if self.record is None:
            raise RaySystemError("Model Service started, but its record is not to be found.")

    def stop(self) -> None:
        """Stop the instance and wait until it has ended."""
        if self._owner < 0:
            return
        os.close(self._owner)
        self._owner = -1
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except Exception:  # subprocess.TimeoutExpired
            self._process.kill()


def _read_line(fd: int) -> str:
    with os.fdopen(fd, encoding="utf-8", errors="replace") as file:
        return file.readline().strip()


# --- the connection ---------------------------------------------------------------------------------------------------


class Rest:
    """The controller's HTTP API."""

    def __init__(self, url: str):
        parts = urlsplit(url)
        self._host, self._port = parts.hostname, parts.port or 8265
        self._headers = {"content-type": "application/json"}
        if os.environ.get("RAY_AUTH_TOKEN"):
            self._headers["authorization"] = f"Bearer {os.environ['RAY_AUTH_TOKEN']}"

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer (JSON where it is some, else text). OSError when nobody answers."""
        import http.client

        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, self._headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
            try:
                return answer.status, json.loads(text)
            except ValueError:
                return answer.status, text
        finally:
            connection.close()

    def checked(self, method: str, path: str, body: Any = None) -> Any:
        """The answer. RayServeException for a status that is not 200."""
        status, answer = self.request(method, path, body)
        if status != 200:
            raise RayServeException(
                answer if isinstance(answer, str) else answer.get("error") or json.dumps(answer)
            )
        return answer


class Connection:
    """A driver's connection to an instance: REST to its controller, a link to its router, a thread that drains it."""

    def __init__(self, record: Record, own: OwnInstance | None = None):
        self.record = record
        self.own = own
        self.rest = Rest(record.dashboard_url)
        if not record.session_dir:
            record.session_dir = self.rest.checked("GET", "/api/model_service/instance")[
                "session_dir"
            ]
        self.session_dir = record.session_dir
        self._link: Any = None
        self._lock = threading.Lock()
        self._transport: call.LinkTransport | None = None
        self._closed = False

    def transport(self) -> call.LinkTransport:
        """How calls travel; the link is made by the first one."""
        with self._lock:
            if self._transport is None:
                ext = _ext_or_none()
                if ext is None:
                    raise RaySystemError(
                        "The extension model_service._ext is not built. Run `make build`."
                    )
                info = {
                    "pid": os.getpid(),
                    "python": f"{sys.version_info.major}.{sys.version_info.minor}",
                }
                self._link = ext.Link(
                    "driver", self.session_dir, str(os.getpid()), "", json.dumps(info)
                )
                self._transport = call.LinkTransport(self._link)
                call.set_transport(self._transport)
                threading.Thread(
                    target=self._drain, name="model-service-driver", daemon=True
                ).start()
            return self._transport

    def _drain(self) -> None:
        link, transport = self._link, self._transport
        while not self._closed:
            try:
                if not link.wait(1.0):
                    continue
                events = link.drain()
            except RuntimeError:  # closed
                break
            for event in events:
                if event[0] in ("done", "item", "error", "started"):
                    transport.dispatch(event)
        transport.fail_all(ActorUnavailableError("The connection to the instance was closed."))

    def close(self) -> None:
        """Disconnect; an instance that this process started ends."""
        self._closed = True
        if self._link is not None:
            call.set_transport(None)
            self._link.close()
            self._link = None
        if self.own is not None:
            self.own.stop()


_connection: Connection | None = None
_connecting = threading.RLock()


def current() -> Connection | None:
    """The connection that this process has."""
    return _connection


def connect(address: str | None = None, start_options: list[str] | None = None) -> Connection:
    """Connect to an instance, starting one where there is none, or where ``address`` is "local"."""
    global _connection
    with _connecting:
        if _connection is not None:
            return _connection
        record = None if address == "local" else find(address)
        if record is not None:
            _connection = Connection(record)
        else:
            own = OwnInstance(start_options or [])
            _connection = Connection(own.record, own)
        call.set_connector(_connection.transport)
        return _connection


def connect_if_running() -> Connection | None:
    """Connect to an instance that runs; None when there is none."""
    with _connecting:
        if _connection is not None:
            return _connection
        try:
            if find() is None:
                return None
        except RaySystemError:
            return None
        return connect()


def disconnect() -> None:
    """Forget the connection; an instance that this process started ends."""
    global _connection
    with _connecting:
        connection, _connection = _connection, None
    if connection is not None:
        connection.close()


def _forget_in_child() -> None:
    global _connection
    _connection = None
    call.set_transport(None)


os.register_at_fork(after_in_child=_forget_in_child)
