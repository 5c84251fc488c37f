# SPDX-License-Identifier: Apache-2.0
"""`make demo`: trains the model once, starts an instance, deploys demo.yaml and sends it real requests."""

import io
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lz4.frame
import numpy as np
import requests
import yaml
from PIL import Image
from tissue import make_slide, make_tile

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "build" / "venv" / "bin"
OUT = ROOT / "build" / "demo"
MODEL = ROOT / "build" / "models" / "tissue.onnx"
TEMP_DIR = f"/tmp/model-service-demo-{os.getuid()}"


def say(text: str = "") -> None:
    print(text, flush=True)


def command(*words: str) -> None:
    """Runs one of ours from the repository's root, where `models` can be imported; shows its output if it fails."""
    done = subprocess.run(
        [BIN / words[0], *words[1:]],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        say(done.stdout + done.stderr)
        sys.exit(f"`{' '.join(words)}` failed with {done.returncode}")


def free_port(wanted: int, taken: set[int]) -> int:
    """The wanted port, or the next one on which nobody listens."""
    for port in range(wanted, wanted + 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            taken.add(port)
            return port
    sys.exit(f"no free port from {wanted} on")


def train() -> None:
    sources = max((ROOT / "models" / name).stat().st_mtime for name in ("train.py", "tissue.py"))
    if not MODEL.exists() or MODEL.stat().st_mtime < sources:
        say("Training the tissue classifier …")
        subprocess.run([sys.executable, ROOT / "models" / "train.py", MODEL], check=True)


def start() -> tuple[str, str]:
    """Starts a fresh instance and deploys demo.yaml; gives the URLs of the proxy and of the dashboard."""
    command("ray", "stop", f"--temp-dir={TEMP_DIR}")  # what an earlier demo left, if anything
    taken: set[int] = set()
    port, dashboard, agent = (free_port(p, taken) for p in (6379, 8265, 52365))
    started = time.monotonic()
    command(
        "ray", "start", "--head", f"--temp-dir={TEMP_DIR}", f"--port={port}", f"--dashboard-port={dashboard}",
        f"--dashboard-agent-listen-port={agent}", "--num-cpus=4",
    )  # fmt: skip
    say(f"Started an instance in {time.monotonic() - started:.1f} s: http://127.0.0.1:{dashboard}")

    config = yaml.safe_load((ROOT / "models" / "demo.yaml").read_text())
    http = config["http_options"]
    wanted, http["port"] = http["port"], free_port(http["port"], taken)
    if http["port"] != wanted:
        say(f"Port {wanted} is taken, so the demo answers on {http['port']}")
    file = OUT / "demo.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    command("serve", "deploy", f"--address=http://127.0.0.1:{dashboard}", str(file))
    return f"http://127.0.0.1:{http['port']}", f"http://127.0.0.1:{dashboard}"


def wait_until_running(dashboard: str) -> None:
    started, shown = time.monotonic(), ""
    while time.monotonic() - started < 120:
        status = requests.get(f"{dashboard}/api/serve/applications/", timeout=10).json()
        apps = status["applications"]
        line = ", ".join(f"{name} {app['status']}" for name, app in sorted(apps.items()))
        if line != shown:
            say(f"  {time.monotonic() - started:4.1f} s  {line}")
            shown = line
        if apps and all(app["status"] == "RUNNING" for app in apps.values()):
            return
        for name, app in apps.items():
            if app["status"] in ("DEPLOY_FAILED", "UNHEALTHY"):
                sys.exit(f"application {name}: {app['status']}: {app['message']}")
        time.sleep(0.1)
    sys.exit(f"not running after two minutes; see {TEMP_DIR}/session_latest/logs")


def checked(answer: requests.Response) -> requests.Response:
    if answer.status_code != 200:
        sys.exit(
            f"{answer.request.method} {answer.url} gave {answer.status_code}: {answer.text[:500]}"
        )
    return answer


def send(proxy: str) -> None:
    rng = np.random.default_rng(int(time.time()))
    say()
    url = f"{proxy}/hello?name=pathologist"
    say(f"GET {url}\n  → {checked(requests.get(url, timeout=10)).text}")

    for kind, malignancy in (("healthy tissue", 0.0), ("tumour", 1.0)):
        tile = make_tile(rng, malignancy)
        body = lz4.frame.compress(tile.tobytes())
        answer = checked(
            requests.post(
                f"{proxy}/classifier/",
                body,
                headers={"content-type": "application/octet-stream"},
                timeout=30,
            )
        )
        say(f"POST {proxy}/classifier/  a tile of {kind}, {len(body)} bytes of LZ4")
        say(f"  → probability of tumour {answer.json():.3f}")

    bodies = [lz4.frame.compress(make_tile(rng, rng.integers(0, 2)).tobytes()) for _ in range(128)]
    with ThreadPoolExecutor(32) as pool, requests.Session() as session:
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))
        started = time.monotonic()
        answers = list(
            pool.map(
                lambda b: checked(session.post(f"{proxy}/classifier/", b, timeout=30)).json(),
                bodies,
            )
        )
        took = time.monotonic() - started
    largest = checked(requests.get(f"{proxy}/classifier/config", timeout=10)).json()[
        "largest_batch"
    ]
    say(f"POST {proxy}/classifier/  128 tiles from 32 clients")
    say(
        f"  → {sum(a > 0.5 for a in answers)} with tumour, {took * 1e3:.0f} ms in all, largest batch {largest}"
    )

    slide, _ = make_slide(rng, 12, 16)
    png = io.BytesIO()
    Image.fromarray(slide).save(png, "PNG")
    (OUT / "slide.png").write_bytes(png.getvalue())
    started = time.monotonic()
    answer = checked(requests.post(f"{proxy}/heatmap/", png.getvalue(), timeout=60))
    (OUT / "heatmap.png").write_bytes(answer.content)
    say(
        f"POST {proxy}/heatmap/  a PNG of {slide.shape[1]} × {slide.shape[0]} pixels (build/demo/slide.png)"
    )
    say(
        f"  → {answer.headers['x-tiles']} tiles classified through a handle in {time.monotonic() - started:.1f} s; "
        f"saved build/demo/heatmap.png, {len(answer.content)} bytes"
    )


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    train()
    proxy, dashboard = start()
    wait_until_running(dashboard)
    send(proxy)
    say(f"""
It goes on running. Look further:
  curl '{proxy}/hello?name=you'
  curl {proxy}/-/routes
  xdg-open {proxy}/classifier/docs
  build/bin/serve status --address={dashboard}
  ls {TEMP_DIR}/session_latest/logs/serve
Serve a file of your own:  build/bin/serve run FILE:APP   (README.md)
Stop it:  build/bin/ray stop --temp-dir={TEMP_DIR}""")


if __name__ == "__main__":
    main()
