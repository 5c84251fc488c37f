# SPDX-License-Identifier: Apache-2.0
"""Who is measured.  A peer is one entry: how to start it for an application and a port.

'app' is one of bytes, starlette, fastapi: the same echo in three shapes (apps/).  Each function returns
the commands to run, all below one subreaper; the URL is always http://127.0.0.1:PORT/.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
CACHE = Path(os.environ.get("MODEL_SERVICE_BENCH_CACHE", ROOT / "build" / "bench"))
PYTHON = CACHE / "peers" / "bin" / "python"

Command = list[str]


def _file(text: str, suffix: str) -> str:
    fd, path = tempfile.mkstemp(suffix=suffix, dir=CACHE)
    os.write(fd, text.encode())
    os.close(fd)
    return path


def _uvicorn_command(app: str, port: int) -> Command:
    return [
        str(PYTHON), "-m", "uvicorn", f"asgi:{app}_app", "--app-dir", str(HERE / "apps"),
        "--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools",
        "--no-access-log", "--log-level", "warning",
    ]  # fmt: skip


def uvicorn(app: str, port: int) -> list[Command]:
    return [_uvicorn_command(app, port)]


def haproxy_uvicorn(app: str, port: int) -> list[Command]:
    """What Ray's optimised mode does: HAProxy in front of a uvicorn."""
    config = f"""
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend in
    bind 127.0.0.1:{port}
    default_backend out
backend out
    server one 127.0.0.1:{port + 1}
"""
    haproxy = ["haproxy", "-db", "-f", _file("global\n    nbthread 1\n" + config, ".cfg")]
    return [_uvicorn_command(app, port + 1), haproxy]


def granian(app: str, port: int) -> list[Command]:
    return [[
        str(PYTHON), "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--loop", "uvloop", "--no-access-log", "--working-dir", str(HERE / "apps"),
        f"asgi:{app}_app",
    ]]  # fmt: skip


def model_service(app: str, port: int) -> list[Command]:
    temp = tempfile.mkdtemp(prefix="msb", dir="/tmp")
    config = f"""
http_options: {{host: 127.0.0.1, port: {port}}}
logging_config: {{enable_access_log: false}}
applications:
- {{name: noop, route_prefix: /, import_path: "noop:{app}_app"}}
"""
    script = _file(
        f"""set -e
cd {HERE / "apps"}
{ROOT}/build/bin/ray start --head --port={port + 10} --dashboard-port={port + 11} \\
    --dashboard-agent-listen-port={port + 12} --temp-dir={temp} --num-cpus=4
PYTHONPATH={HERE / "apps"} {ROOT}/build/bin/serve deploy -a http://127.0.0.1:{port + 11} \\
    {_file(config, ".yaml")}
sleep infinity
""",
        ".sh",
    )
    return [["env", f"PYTHONPATH={HERE / 'apps'}", "bash", script]]


PEERS: dict[str, Callable[[str, int], list[Command]]] = {
    "model-service": model_service,
    "uvicorn": uvicorn,
    "haproxy+uvicorn": haproxy_uvicorn,
    "granian": granian,
}
