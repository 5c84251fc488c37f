# SPDX-License-Identifier: Apache-2.0
"""A replica's log: its file's name, its lines, and that access lines stay in order."""

import asyncio
import json
import logging
import re
import time

import pytest
from model_service import logs
from model_service.context import RequestContext, request_var

REQUEST = RequestContext("request-1", "app", "/p")


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_SERVE_LOG_TO_STDERR", "0")
    made = logs.ReplicaLog(str(tmp_path), "app", "D", "id1")
    made.read = lambda: (tmp_path / "logs/serve/replica_app_D_id1.log").read_text().splitlines()
    yield made
    logger = logging.getLogger("ray.serve")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = True


def test_a_file_name_keeps_to_plain_characters():
    assert logs.file_name("a/b", "D:č", "x") == "replica_a_b_D___x.log"
    assert logs.file_name("", "D", "x") == "replica_D_x.log"


def test_text_lines_name_component_and_request(log):
    log.configure(None)
    logging.getLogger("ray.serve").info("outside")
    token = request_var.set(REQUEST)
    logging.getLogger("ray.serve").warning("inside %d", 1)
    request_var.reset(token)
    outside, inside = log.read()
    assert re.fullmatch(r"INFO \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} app_D id1 -- outside", outside)
    assert re.fullmatch(r"WARNING .* app_D id1 request-1 -- inside 1", inside)


def test_json_lines_hold_the_request_and_the_users_fields(log):
    log.configure({"encoding": "JSON", "additional_log_standard_attrs": ["name"]})
    token = request_var.set(REQUEST)
    extra = {"mine": 1, "ray_serve_extra_fields": {"theirs": 2}}
    logging.getLogger("ray.serve").info("hello", extra=extra)
    request_var.reset(token)
    line = json.loads(log.read()[0])
    assert list(line)[:3] == ["asctime", "levelname", "message"] and line["name"] == "ray.serve"
    assert (line["request_id"], line["route"], line["replica"]) == ("request-1", "/p", "id1")
    assert (line["mine"], line["theirs"]) == (1, 2) and line["component_name"] == "replica"


def test_access_lines_are_written_together_and_before_what_comes_later(log):
    log.configure(None)

    async def run():
        for _ in range(3):
            log.request(REQUEST, "GET", "/p", 200, time.perf_counter())
        before = log.read()
        logging.getLogger("ray.serve").info("later")
        return before, log.read()

    before, after = asyncio.run(run())
    assert before == [] and len(after) == 4 and after[3].endswith("-- later")
    assert re.fullmatch(r"INFO .* app_D id1 request-1 -- GET /p 200 \d+\.\dms", after[0])


def test_a_level_hides_what_is_below_it(log):
    log.configure({"log_level": "ERROR", "enable_access_log": False})
    logging.getLogger("ray.serve").warning("hidden")
    assert log.read() == [] and not log.access
