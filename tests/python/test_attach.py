# SPDX-License-Identifier: Apache-2.0
"""How a driver finds instances: by locked records, and what it says when there is none."""

import fcntl
import json
import os

import pytest
from model_service import attach
from model_service.exceptions import RaySystemError


@pytest.fixture
def write_record(tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_SERVICE_RECORDS", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("MODEL_SERVICE_SESSION_DIR", raising=False)
    held = []

    def write(port, *, alive, age_s=0):
        path = tmp_path / f"{port}.json"
        fields = {
            "pid": port, "address": f"127.0.0.1:{port}", "dashboard_url": f"http://127.0.0.1:{port + 1}",
            "session_dir": f"/sessions/{port}",
        }  # fmt: skip
        path.write_text(json.dumps(fields))
        os.utime(path, (1e9 - age_s, 1e9 - age_s))
        if alive:
            # A lock of another open file description, as another process's is.
            fd = os.open(path, os.O_RDWR)
            fcntl.flock(fd, fcntl.LOCK_EX)
            held.append(fd)

    yield write
    for fd in held:
        os.close(fd)


def test_only_living_instances_count_and_the_newest_is_taken(write_record):
    write_record(7001, alive=True, age_s=50)
    write_record(7002, alive=False)
    write_record(7003, alive=True, age_s=10)
    assert [record.pid for record in attach.records()] == [7003, 7001]
    assert attach.find().pid == 7003


def test_an_address_names_one_and_a_wrong_one_lists_what_runs(write_record, monkeypatch):
    write_record(7001, alive=True)
    assert attach.find("127.0.0.1:7001").pid == attach.find("http://127.0.0.1:7002").pid == 7001
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:7001")
    assert attach.find().session_dir == "/sessions/7001"
    with pytest.raises(RaySystemError, match="Running here: 127.0.0.1:7001"):
        attach.find("127.0.0.1:9999")


def test_a_replica_finds_its_own_instance(write_record, monkeypatch):
    write_record(7001, alive=True, age_s=50)
    write_record(7002, alive=True)
    monkeypatch.setenv("MODEL_SERVICE_SESSION_DIR", "/sessions/7001")
    assert attach.find().pid == 7001


def test_no_instance_is_no_error_and_garbage_is_no_record(write_record, tmp_path):
    (tmp_path / "x.json").write_text("no json")
    assert attach.records() == [] and attach.find() is None and attach.find("auto") is None
