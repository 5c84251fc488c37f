# SPDX-License-Identifier: Apache-2.0
"""init and the node daemon: what they start they also end, what they are told they do, and idle they do nothing."""

import os
import re
import signal
import socket
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
import requests
from instance import APPS, BIN, Instance, free_ports, processes_of, running, wait_for


def app(name: str, **more: object) -> dict:
    return {
        "name": name, "route_prefix": f"/{name}", "import_path": f"processes:{name}_app", **more
    }  # fmt: skip


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def daemons(instance: Instance) -> dict[str, int]:
    return {name: instance.pid_of(name) for name in ("init", "node", "controller", "proxy")}


# --- ends


def test_nothing_that_user_code_started_outlives_the_stop() -> None:
    with running() as instance:
        instance.deploy(app("stubborn"))
        said = instance.get("/stubborn").json()
        assert all(is_alive(pid) for pid in said["children"])
    left = [pid for pid in [said["pid"], *said["children"]] if is_alive(pid)]
    assert not left, f"alive after `ray stop`: {left}"


def test_a_stop_by_force_is_quick(instance: Instance) -> None:
    instance.deploy(app("stubborn"))
    begin = time.monotonic()
    assert (
        instance.command("ray", "stop", "--force", f"--temp-dir={instance.temp_dir}").returncode
        == 0
    )
    assert time.monotonic() - begin < 3
    assert not processes_of(instance.temp_dir)


def test_stopping_when_nothing_runs_is_fine(tmp_path: Path) -> None:
    done = subprocess.run(
        [BIN / "ray", "stop", f"--temp-dir={tmp_path}"], capture_output=True, text=True, timeout=10
    )
    assert done.returncode == 0 and "No instance was running" in done.stdout


def block(instance: Instance, *options: str, **more: object) -> subprocess.Popen:
    return subprocess.Popen(
        [
            BIN / "ray", "start", "--head", "--block", f"--temp-dir={instance.temp_dir}", f"--port={instance.port}",
            f"--dashboard-port={instance.dashboard_port}", f"--dashboard-agent-listen-port={instance.agent_port}",
            *options,
        ],
        cwd=APPS, env=instance.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, **more,
    )  # fmt: skip


def test_an_owners_end_is_the_instances_end(tmp_path: Path) -> None:
    instance = Instance(str(tmp_path))
    ready_read, ready_write = os.pipe()
    owner_read, owner_write = os.pipe()
    child = block(
        instance, f"--ready-fd={ready_write}", f"--owner-fd={owner_read}",
        pass_fds=(ready_write, owner_read), start_new_session=True,
    )  # fmt: skip
    try:
        os.close(ready_write)
        os.close(owner_read)
        assert os.read(ready_read, 100) == b"ready\n"
        assert requests.get(f"{instance.dashboard}/api/version", timeout=5).status_code == 200
        os.close(owner_write)
        said, _ = child.communicate(timeout=20)
        assert child.returncode == 0, said
        assert not processes_of(instance.temp_dir)
    finally:
        child.kill()
        os.close(ready_read)


def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    instance = Instance(str(tmp_path))
    child = block(instance)
    try:
        wait_for("the instance", lambda: "dashboard" in (child.stdout.readline() or "dashboard"))
        wait_for("its record", lambda: instance.command("ray", "health-check").returncode == 0)
        instance.deploy(
            app("stubborn", deployments=[{"name": "Stubborn", "graceful_shutdown_timeout_s": 20}])
        )
        child.send_signal(signal.SIGINT)
        time.sleep(0.2)  # the two must arrive as two
        begin = time.monotonic()
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=20)
        assert time.monotonic() - begin < 5
        assert not processes_of(instance.temp_dir)
    finally:
        child.kill()


def test_a_caller_who_waits_for_the_end_of_output_gets_it(tmp_path: Path) -> None:
    instance = Instance(str(tmp_path))
    read, write = os.pipe()
    try:
        done = subprocess.run(
            [
                BIN / "ray", "start", "--head", f"--temp-dir={tmp_path}", f"--port={instance.port}",
                f"--dashboard-port={instance.dashboard_port}",
                f"--dashboard-agent-listen-port={instance.agent_port}",
            ],
            capture_output=True, pass_fds=(write,), timeout=20, env=instance.env, cwd=APPS,
        )  # fmt: skip
        assert done.returncode == 0, done
        os.close(write)
        assert os.read(read, 1) == b"", "the instance keeps a descriptor of its caller"
    finally:
        instance.command("ray", "stop", f"--temp-dir={tmp_path}")
        os.close(read)


# --- replicas


def test_a_replicas_end_is_told_with_its_reason(shared: Instance) -> None:
    shared.deploy(app("fragile"))
    first = shared.get("/fragile").text

    def another() -> bool:
        answer = shared.get("/fragile")
        return answer.status_code == 200 and answer.text != first

    assert shared.get("/fragile?segfault").status_code == 500
    wait_for("another replica", another)
    log = shared.log("node.log") + shared.log("serve/controller_*.log")
    assert "SIGSEGV" in log, log[-3000:]
    second = shared.get("/fragile").text
    assert shared.get("/fragile?exit").status_code == 500
    wait_for("a third replica", lambda: shared.get("/fragile").text not in (first, second))
    assert "these are my last words" in shared.log("serve/replica_fragile_*.out.log")


def test_a_node_daemon_that_dies_during_a_start_costs_nothing(instance: Instance) -> None:
    instance.put(instance.config(app("slowstart")))
    wait_for("the constructor", lambda: "to=construct" in instance.log("node.log"))
    pid = re.search(r"from=import to=construct pid=(\d+)", instance.log("node.log"))[1]
    instance.kill("node")
    instance.wait_running("slowstart")
    assert instance.text("/slowstart") == pid


def test_an_unhealthy_replica_is_replaced(shared: Instance) -> None:
    shared.deploy(app("unhealthy"))
    before = shared.get("/unhealthy?ill").text

    def replaced() -> bool:
        answer = shared.get("/unhealthy")
        return answer.status_code == 200 and answer.text != before

    wait_for("a healthy replica", replaced)


def test_a_replicas_environment(shared: Instance) -> None:
    with running_with_secrets() as instance:
        env = {"MINE": "${INHERITED}:1", "PYTHONHASHSEED": "7"}
        instance.deploy(app("environment", runtime_env={"env_vars": env}))
        seen = instance.get("/environment").json()
    assert seen["OMP_NUM_THREADS"] == "2" and seen["CUDA_VISIBLE_DEVICES"] == ""
    assert seen["MINE"] == "here:1" and seen["PYTHONHASHSEED"] == "7"
    assert not [name for name in seen if name.startswith(("RAY_AUTH_TOKEN", "REDIS_"))]


class running_with_secrets:  # noqa: N801  # reads as running() does
    def __enter__(self) -> Instance:
        os.environ |= {"INHERITED": "here", "REDIS_PASSWORD": "secret"}
        self.inner = running()
        return self.inner.__enter__()

    def __exit__(self, *error: object) -> None:
        del os.environ["INHERITED"], os.environ["REDIS_PASSWORD"]
        self.inner.__exit__(*error)


def test_gpus_are_dealt_out(tmp_path: Path) -> None:
    with running("--num-gpus=2") as instance:
        options = {"num_gpus": 1, "num_cpus": 0.5}
        gpu = app("environment", deployments=[
            {"name": "environment", "num_replicas": 2, "ray_actor_options": options}
        ])  # fmt: skip
        instance.deploy(gpu)
        seen = {instance.get("/environment").json()["CUDA_VISIBLE_DEVICES"] for _ in range(40)}
    assert seen == {"0", "1"}


def test_code_comes_from_an_archive(shared: Instance, tmp_path: Path) -> None:
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr(
            "repo-main/zipped.py",
            "from ray import serve\nimport helper\n@serve.deployment\ndef f(request): return helper.TEXT\napp = f.bind()\n",
        )
        z.writestr("repo-main/helper.py", "TEXT = 'from the archive'\n")
    config = {
        "name": "zipped", "route_prefix": "/zipped", "import_path": "zipped:app",
        "runtime_env": {"working_dir": f"file://{archive}"},
    }  # fmt: skip
    shared.deploy(config)
    assert shared.text("/zipped") == "from the archive"


def test_an_archive_that_is_not_there_says_so(shared: Instance, tmp_path: Path) -> None:
    missing = app("missing", runtime_env={"working_dir": f"file://{tmp_path}/none.zip"})
    assert shared.put(shared.config(missing)).status_code == 200
    seen = shared.wait_status("missing", "DEPLOY_FAILED")
    assert "none.zip" in seen["message"] and "No such file" in seen["message"]


# --- output


def test_a_flood_of_output_is_whole_and_harms_nobody(shared: Instance) -> None:
    shared.deploy(app("printer"))
    assert shared.text("/printer?n=30000") == "printed"

    def whole() -> bool:
        return "line 29999 " in shared.log("serve/replica_printer_*.out.log")

    wait_for("the last line", whole)
    lines = re.findall(r"^line (\d+) x{100}$", shared.log("serve/replica_printer_*.out.log"), re.M)
    assert lines == [str(i) for i in range(30000)]


def test_output_goes_on_while_the_node_daemon_is_away(shared: Instance) -> None:
    shared.deploy(app("printer"))
    shared.kill("node")
    assert shared.text("/printer?n=1000") == "printed"
    wait_for("the last line", lambda: "line 999 " in shared.log("serve/replica_printer_*.out.log"))


# --- the machine


def test_an_idle_head_is_small_and_sleeps(instance: Instance) -> None:
    def switches() -> dict[str, str]:
        text = {
            name: Path(f"/proc/{pid}/status").read_text() for name, pid in daemons(instance).items()
        }
        return {
            name: re.search(r"^voluntary_ctxt_switches:\s*(\d+)", t, re.M)[1]
            for name, t in text.items()
        }

    def pss_kb(pid: int) -> int:
        return int(
            re.search(r"^Pss:\s*(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1]
        )

    if "libasan" in Path(f"/proc/{instance.pid_of('init')}/maps").read_text():
        pytest.skip("sanitizers need memory")
    time.sleep(0.5)
    before = switches()
    time.sleep(3)
    assert switches() == before, "an idle process wakes up"
    assert sum(pss_kb(pid) for pid in daemons(instance).values()) <= 20 * 1024


def test_health_routes(shared: Instance) -> None:
    agent = f"http://127.0.0.1:{shared.agent_port}"
    assert requests.get(f"{agent}/api/local_raylet_healthz", timeout=5).text == "success"
    assert requests.get(f"{agent}/api/healthz", timeout=5).text == "raylet: success\ngcs: success"
    assert requests.get(f"{agent}/nowhere", timeout=5).status_code == 404
    assert requests.get(f"{shared.dashboard}/api/gcs_healthz", timeout=5).text == "success"


def test_a_strange_http_port_that_is_taken_is_an_error_with_a_name(instance: Instance) -> None:
    (port,) = free_ports(1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        config = instance.config(app("fragile"), http_options={"port": port})
        instance.put(config)
        wait_for(
            "the reason",
            lambda: f"port {port} is taken by process {os.getpid()}" in instance.log("node.log"),
        )


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_another_users_temp_dir_is_left_alone() -> None:
    # Everything of an ordinary user's start, on a machine where root was first.
    if not os.path.isdir("/tmp/ray"):
        os.makedirs("/tmp/ray", 0o755)
    if os.stat("/tmp/ray").st_mode & 0o002:
        pytest.skip("somebody has opened /tmp/ray to all")
    port, dashboard, agent = free_ports(3)
    words = [
        BIN / "ray", "start", "--head", f"--port={port}", f"--dashboard-port={dashboard}",
        f"--dashboard-agent-listen-port={agent}",
    ]  # fmt: skip
    nobody = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/", "timeout": 30}
    try:
        done = subprocess.run(words, capture_output=True, text=True, **nobody)
    except PermissionError:
        pytest.skip("this folder is not readable for others")
    assert done.returncode == 0, done
    assert "/tmp/ray-65534" in done.stdout
    done = subprocess.run([BIN / "ray", "stop"], capture_output=True, text=True, **nobody)
    assert done.returncode == 0 and "Stopped" in done.stdout, done
    subprocess.run(["rm", "-rf", "/tmp/ray-65534", "/tmp/model-service-65534"], check=True)
