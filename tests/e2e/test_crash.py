# SPDX-License-Identifier: Apache-2.0
"""kill -9 of each process: it comes back and the rest goes on."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import requests
from instance import Instance, wait_for

COUNTER = {
    "name": "counter", "route_prefix": "/counter", "import_path": "functions:counter_app",
    "deployments": [{"name": "Counter", "num_replicas": 2}],
}  # fmt: skip


@pytest.fixture
def counter(instance: Instance) -> Instance:
    instance.deploy(COUNTER)
    return instance


def ask_until(stop: Event, instance: Instance) -> list[int]:
    statuses = []
    while not stop.is_set():
        try:
            statuses.append(instance.get("/counter", timeout_s=10).status_code)
        except requests.exceptions.ConnectionError:
            statuses.append(0)
        time.sleep(0.005)
    return statuses


def killed_under_load(instance: Instance, program: str) -> list[int]:
    stop = Event()
    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask_until, stop, instance) for _ in range(2)]
        try:
            instance.kill(program)
            time.sleep(0.5)  # a while of load on what came back
        finally:
            stop.set()
        return [status for future in asking for status in future.result()]


def test_a_killed_replica_is_replaced(counter: Instance) -> None:
    before = counter.replicas("counter", "Counter")
    victim, pid = next(iter(before.items()))
    os.kill(pid, signal.SIGKILL)

    def replaced() -> bool:
        now = counter.replicas("counter", "Counter")
        return len(now) == 2 and victim not in now

    wait_for("a new replica", replaced)
    counter.wait_status("counter", "RUNNING")
    assert counter.get("/counter").status_code == 200


def test_a_request_whose_replica_dies_in_user_code_gets_500(counter: Instance) -> None:
    answer = counter.post("/counter?die")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    wait_for("both replicas again", lambda: len(counter.replicas("counter", "Counter")) == 2)


@pytest.mark.parametrize("program", ["controller", "node"])
def test_nobody_notices_a_killed(counter: Instance, program: str) -> None:
    before = counter.replicas("counter", "Counter")
    statuses = killed_under_load(counter, program)
    assert set(statuses) == {200}, statuses

    def settled() -> bool:
        try:
            return counter.application("counter")["status"] == "RUNNING"
        except (requests.exceptions.RequestException, AssertionError):
            return False

    wait_for("the application to run again", settled)
    assert counter.replicas("counter", "Counter") == before
    counter.deploy({**COUNTER, "deployments": [{"name": "Counter", "num_replicas": 3}]})
    assert counter.get("/counter").status_code == 200


def test_a_killed_proxy_is_back_at_once(counter: Instance) -> None:
    before = counter.replicas("counter", "Counter")
    statuses = killed_under_load(counter, "proxy")
    assert statuses.count(0) <= 4 and statuses[-1] == 200 and set(statuses) <= {0, 200}, statuses
    assert counter.replicas("counter", "Counter") == before


def test_a_killed_init_takes_everything_with_it(instance: Instance) -> None:
    instance.deploy(COUNTER)
    os.kill(instance.pid_of("init"), signal.SIGKILL)
    from instance import processes_of

    wait_for("all processes to end", lambda: not processes_of(instance.temp_dir), 15)
    instance.start()  # the remains do not stand in the way
    assert instance.details() is not None
