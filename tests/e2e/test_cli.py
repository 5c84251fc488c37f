# SPDX-License-Identifier: Apache-2.0
"""The command lines ray and serve."""

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import requests
import yaml
from instance import APPS, BIN, Instance, processes_of, running, wait_for

HELLO = {"name": "hello", "route_prefix": "/hello", "import_path": "functions:hello_app"}


@pytest.fixture
def config_file(shared: Instance, tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(shared.config(HELLO)))
    return path


def test_versions_are_told() -> None:
    for name in ("ray", "serve"):
        done = subprocess.run([BIN / name, "--version"], capture_output=True, text=True, timeout=10)
        assert done.returncode == 0 and "2.53.0" in done.stdout, done


@pytest.mark.parametrize(
    "words", [["ray"], ["serve"], ["ray", "start"], ["serve", "deploy"], ["serve", "run"]]
)
def test_help_is_there(words: list[str]) -> None:
    done = subprocess.run(
        [BIN / words[0], *words[1:], "--help"], capture_output=True, text=True, timeout=10
    )
    assert done.returncode == 0 and "Usage" in done.stdout, done


def test_an_unknown_command_is_refused_with_a_remedy() -> None:
    done = subprocess.run([BIN / "serve", "deplyo"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2 and "deploy" in done.stderr


def test_ray_status_and_health_check(shared: Instance) -> None:
    assert shared.command("ray", "status", f"--address=127.0.0.1:{shared.port}").returncode == 0
    assert (
        shared.command("ray", "health-check", f"--address=127.0.0.1:{shared.port}").returncode == 0
    )
    assert shared.command("ray", "health-check", "--address=127.0.0.1:1").returncode != 0


def test_a_second_start_says_where_the_first_is(shared: Instance) -> None:
    done = shared.command(
        "ray", "start", "--head", f"--port={shared.port}", f"--temp-dir={shared.temp_dir}"
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0 and str(shared.port) in said and "stop" in said


def test_a_taken_port_is_named(tmp_path: Path, shared: Instance) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = shared.command(
            "ray",
            "start",
            "--head",
            f"--dashboard-port={port}",
            "--port=0",
            f"--temp-dir={tmp_path}",
        )
        assert done.returncode == 1 and str(port) in done.stdout + done.stderr


def test_two_instances_live_side_by_side(shared: Instance) -> None:
    shared.deploy(HELLO)
    with running() as other:
        other.deploy({**HELLO, "route_prefix": "/other"})
        assert other.text("/other") == "hello world" and shared.text("/hello") == "hello world"
    assert shared.text("/hello") == "hello world"


def test_deploy_status_config_shutdown(shared: Instance, config_file: Path) -> None:
    done = shared.command("serve", "deploy", str(config_file))
    assert done.returncode == 0, done
    assert f"Deploying from config file: '{config_file}'." in done.stdout + done.stderr
    assert "Sent deploy request successfully." in done.stdout + done.stderr
    shared.wait_running("hello")

    status = yaml.safe_load(shared.command("serve", "status").stdout)
    assert list(status) == ["proxies", "applications", "target_capacity"]
    deployment = status["applications"]["hello"]["deployments"]["hello"]
    assert deployment["replica_states"] == {"RUNNING": 1}
    one = yaml.safe_load(shared.command("serve", "status", "--name", "hello").stdout)
    assert one["status"] == "RUNNING"
    assert (
        'Application "x" does not exist.' in shared.command("serve", "status", "--name", "x").stdout
    )

    assert yaml.safe_load(shared.command("serve", "config").stdout) == HELLO

    done = shared.command("serve", "shutdown", "-y")
    assert done.returncode == 0 and "Sent shutdown request" in done.stdout + done.stderr
    wait_for("applications to go", lambda: not shared.details()["applications"])
    assert "No configuration was found." in shared.command("serve", "config").stdout


def test_a_bad_file_is_refused_before_it_is_sent(shared: Instance, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "applications:\n  - name: a\n    import_path: functions:hello_app\n    route_prefix: 7\n    args: 3\n"
    )
    done = shared.command("serve", "deploy", str(path))
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "value is not a valid dict" in said
    assert re.search(r"\b5\b", said), f"no line number in: {said}"


def test_deploy_by_import_path(shared: Instance) -> None:
    done = shared.command("serve", "deploy", "functions:build_counter", "start=5", "--name=counted")
    assert done.returncode == 0, done
    assert "Deploying from import path: 'functions:build_counter'." in done.stdout + done.stderr
    shared.wait_running("counted")
    shared.command("serve", "shutdown", "-y")


def test_build_writes_a_config(shared: Instance, tmp_path: Path) -> None:
    out = tmp_path / "out.yaml"
    done = shared.command("serve", "build", "functions:counter_app", "-o", str(out))
    assert done.returncode == 0, done
    config = yaml.safe_load(out.read_text())
    (app,) = config["applications"]
    assert (
        app["import_path"] == "functions:counter_app"
        and app["name"] == "app1"
        and app["route_prefix"] == "/"
    )
    assert app["deployments"][0]["name"] == "Counter"


def serve_run(instance: Instance, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [BIN / "serve", "run", *words], cwd=APPS, env=instance.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_serve_run_serves_until_ctrl_c(instance: Instance) -> None:
    instance.command("serve", "start", f"--http-port={instance.http_port}")
    child = serve_run(instance, "functions:chatty_app", "--name=chatty", "--route-prefix=/chatty")
    try:
        wait_for("the application", lambda: instance.application("chatty")["status"] == "RUNNING")
        assert instance.text("/chatty") == '"chatty"'
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=20)
        assert child.returncode == 0, said
        assert "a line from print" in said, said
    finally:
        child.kill()
    wait_for("the application to go", lambda: not instance.details()["applications"])


def test_serve_run_of_a_config_file(instance: Instance, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(instance.config(HELLO)))
    child = serve_run(instance, str(path))
    try:
        wait_for("the application", lambda: instance.application("hello")["status"] == "RUNNING")
        assert instance.text("/hello") == "hello world"
        child.send_signal(signal.SIGINT)
        said, _ = child.communicate(timeout=20)
        assert child.returncode == 0 and "Submitted deploy config successfully." in said, said
    finally:
        child.kill()


def test_start_with_block_ends_cleanly_on_term(tmp_path: Path, shared: Instance) -> None:
    temp_dir = f"/tmp/ms-block-{os.getpid()}"
    other = Instance(temp_dir)
    child = subprocess.Popen(
        [
            BIN / "ray", "start", "--head", "--block", f"--temp-dir={temp_dir}", f"--port={other.port}",
            f"--dashboard-port={other.dashboard_port}", f"--dashboard-agent-listen-port={other.agent_port}",
        ],
        cwd=APPS, env=other.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:

        def up() -> bool:
            try:
                return requests.get(f"{other.dashboard}/api/version", timeout=1).status_code == 200
            except requests.exceptions.RequestException:
                return False

        wait_for("the instance", up)
        other.deploy({**HELLO, "import_path": "functions:chatty_app"})
        other.get("/hello")
        child.terminate()
        said, _ = child.communicate(timeout=30)
        assert child.returncode == 0, said
        assert "a line from print" in said, "user output does not reach the terminal"
        assert not processes_of(temp_dir)
    finally:
        child.kill()
        subprocess.run(["rm", "-rf", temp_dir], check=True)
