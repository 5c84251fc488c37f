# SPDX-License-Identifier: Apache-2.0
"""The logger ``ray.serve`` of a replica, and its access log (contracts, ray-serve §8.6 and §8.7)."""

from __future__ import annotations

import asyncio
import json
import logging
import logging.handlers
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from .context import request_var

LOGGER_NAME = "ray.serve"

#: Access lines that go to stderr in one flush; the file has all of them.
STDERR_LINES_PER_FLUSH = 100
FLUSH_S = 0.1


def file_name(app: str, deployment: str, replica_id: str) -> str:
    """A replica's log file, without its folder."""
    name = (
        f"replica_{app}_{deployment}_{replica_id}.log"
        if app
        else f"replica_{deployment}_{replica_id}.log"
    )
    return re.sub(r'[<>:"/\\|?*]|[^ -~]', "_", name)


class _Context(logging.Filter):
    """Adds what a record belongs to: the component, and the request being served."""

    def __init__(self, component: str, component_id: str, app: str, before: Callable[[], None]):
        super().__init__()
        self._before = before
        self._component = component
        self._component_id = component_id
        self._app = app

    def filter(self, record: logging.LogRecord) -> bool:
        self._before()  # access lines that wait come first, for they are older
        request = request_var.get()
        record.component_name = self._component
        record.component_id = self._component_id
        record.application = self._app
        record.request_id = request.request_id if request is not None else ""
        record.route = request.route if request is not None else ""
        return True


class TextFormatter(logging.Formatter):
    """``LEVEL time component id [request] -- message``."""

    def __init__(self, attrs: list[str]):
        super().__init__()
        self._attrs = attrs

    def format(self, record: logging.LogRecord) -> str:
        request = f" {record.request_id}" if record.request_id else ""
        extra = "".join(f" {getattr(record, name, '')}" for name in self._attrs)
        line = (
            f"{record.levelname} {self.formatTime(record)} {record.component_name} {record.component_id}"
            f"{request}{extra} -- {record.getMessage()}"
        )
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        if record.stack_info:
            line += "\n" + self.formatStack(record.stack_info)
        return line


_STANDARD = set(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "component_name",
    "component_id",
    "application",
    "request_id",
    "route",
    "taskName",
    "ray_serve_extra_fields",
}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, attrs: list[str]):
        super().__init__()
        self._attrs = attrs

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "asctime": self.formatTime(record),
            "levelname": record.levelname,
            "message": record.getMessage(),
            "filename": record.filename,
            "lineno": record.lineno,
            "process": record.process,
        }
        if record.exc_info:
            line["exc_text"] = self.formatException(record.exc_info)
        line.update({name: getattr(record, name, None) for name in self._attrs})
        if record.request_id:
            line["route"] = record.route
            line["request_id"] = record.request_id
        line["application"] = record.application
        line["deployment"] = record.component_name
        line["replica"] = record.component_id
        line["component_name"] = "replica"
        line.update(getattr(record, "ray_serve_extra_fields", None) or {})
        for key, value in record.__dict__.items():
            if key not in _STANDARD and key not in line:
                line[key] = value
        line["timestamp_ns"] = int(record.created * 1e9)
        return json.dumps(line, default=str)


class ReplicaLog:
    """Sets the logger up and writes access lines.

    Access lines are gathered and written together: one write for what a tenth of a second brought.
    """

    def __init__(self, session_dir: str, app: str, deployment: str, replica_id: str):
        self._session_dir = session_dir
        self._name = file_name(app, deployment, replica_id)
        self._component = f"{app}_{deployment}" if app else deployment
        self._replica_id = replica_id
        self._app = app
        self._file: logging.handlers.RotatingFileHandler | None = None
        self._lines: list[str] = []
        self._flush_due = False
        self._second = 0
        self._stamp = ""
        self._json = False
        self._to_stderr = os.environ.get("RAY_SERVE_LOG_TO_STDERR", "1") != "0"
        self.access = True

    def configure(self, config: dict | None) -> None:
        """Apply a deployment's logging_config (None: the defaults). OSError when the file cannot be opened."""
        config = config or {}
        encoding = config.get("encoding") or os.environ.get("RAY_SERVE_LOG_ENCODING", "TEXT")
        attrs = config.get("additional_log_standard_attrs") or []
        self._json = encoding == "JSON"
        self.access = config.get("enable_access_log", True)
        folder = config.get("logs_dir") or os.path.join(self._session_dir, "logs", "serve")
        os.makedirs(folder, exist_ok=True)
        logger = logging.getLogger(LOGGER_NAME)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(config.get("log_level", "INFO"))
        logger.propagate = False
        formatter = JsonFormatter(attrs) if self._json else TextFormatter(attrs)
        self._file = logging.handlers.RotatingFileHandler(
            os.path.join(folder, self._name),
            maxBytes=int(os.environ.get("RAY_ROTATION_MAX_BYTES", 512 << 20)),
            backupCount=int(os.environ.get("RAY_ROTATION_BACKUP_COUNT", 5)),
        )
        handlers: list[logging.Handler] = [self._file]
        if self._to_stderr:
            handlers.append(logging.StreamHandler(sys.stderr))
        context = _Context(self._component, self._replica_id, self._app, self.flush)
        for handler in handlers:
            handler.setFormatter(formatter)
            handler.addFilter(context)
            logger.addHandler(handler)

    def request(self, request: Any, method: str, route: str, status: Any, started: float) -> None:
        """One access line; ``started`` by time.perf_counter()."""
        elapsed_ms = (time.perf_counter() - started) * 1000
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        stamp = f"{self._stamp},{int((now - second) * 1000):03d}"
        message = f"{method} {route} {status} {elapsed_ms:.1f}ms"
        if self._json:
            line = self._json_line(request, stamp, message, now)
        else:
            line = f"INFO {stamp} {self._component} {self._replica_id} {request.request_id} -- {message}\n"
        self._lines.append(line)
        if not self._flush_due:
            self._flush_due = True
            try:
                asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
            except RuntimeError:
                self.flush()

    def _json_line(self, request: Any, stamp: str, message: str, now: float) -> str:
        line = {
            "asctime": stamp,
            "levelname": "INFO",
            "message": message,
            "filename": "host.py",
            "lineno": 0,
            "process": os.getpid(),
            "route": request.route,
            "request_id": request.request_id,
            "application": self._app,
            "deployment": self._component,
            "replica": self._replica_id,
            "component_name": "replica",
            "timestamp_ns": int(now * 1e9),
        }
        return json.dumps(line) + "\n"

    def flush(self) -> None:
        """Write the gathered access lines."""
        self._flush_due = False
        lines, self._lines = self._lines, []
        if not lines:
            return
        if self._file is not None and self._file.stream is not None:
            self._file.acquire()
            try:
                if self._file.maxBytes and self._file.stream.tell() >= self._file.maxBytes:
                    self._file.doRollover()
                self._file.stream.write("".join(lines))
                self._file.flush()
            finally:
                self._file.release()
        if self._to_stderr:
            shown = lines[:STDERR_LINES_PER_FLUSH]
            if len(lines) > len(shown):
                shown.append(f"... and {len(lines) - len(shown)} more requests, see {self._name}\n")
            sys.stderr.write("".join(shown))
            sys.stderr.flush()
