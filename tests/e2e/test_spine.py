# SPDX-License-Identifier: Apache-2.0
"""One function application through every process, and the routes that operators probe."""

import re
import uuid

import pytest
import requests
from instance import Instance, wait_for

pytestmark = pytest.mark.smoke
HELLO = {"name": "hello", "route_prefix": "/hello", "import_path": "functions:hello_app"}


@pytest.fixture(scope="module")
def hello(shared: Instance) -> Instance:
    shared.deploy(HELLO)
    return shared


def test_a_function_answers(hello: Instance) -> None:
    answer = hello.get("/hello?name=tile")
    assert (answer.status_code, answer.text) == (200, "hello tile")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_system_routes_answer(hello: Instance) -> None:
    assert hello.text("/-/healthz") == "success"
    assert hello.get("/-/routes").json() == {"/hello": "hello"}


def test_health_routes_of_operators_answer(hello: Instance) -> None:
    version = requests.get(f"{hello.dashboard}/api/version", timeout=5).json()
    assert version["ray_version"] == "2.53.0" and version["version"] == "4"
    assert requests.get(f"{hello.dashboard}/api/gcs_healthz", timeout=5).text == "success"
    agent = f"http://127.0.0.1:{hello.agent_port}"
    assert requests.get(f"{agent}/api/local_raylet_healthz", timeout=5).text == "success"


def test_an_unknown_path_says_where_routes_are_listed(hello: Instance) -> None:
    answer = hello.get("/nowhere")
    assert answer.status_code == 404
    assert (
        answer.text == "Path '/nowhere' not found. Ping http://.../-/routes for available routes."
    )
    assert hello.get("/hellos").status_code == 404


def test_a_request_id_is_echoed_or_made(hello: Instance) -> None:
    assert (
        hello.get("/hello", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    )
    assert uuid.UUID(hello.get("/hello").headers["x-request-id"])


def test_details_have_the_shape_of_the_contract(hello: Instance) -> None:
    details = hello.details()
    app = details["applications"]["hello"]
    assert app["status"] == "RUNNING" and app["message"] == "" and app["source"] == "declarative"
    assert app["deployed_app_config"] == HELLO
    deployment = app["deployments"]["hello"]
    assert (deployment["status"], deployment["status_trigger"]) == (
        "HEALTHY",
        "CONFIG_UPDATE_COMPLETED",
    )
    assert deployment["deployment_config"]["max_ongoing_requests"] == 5
    (replica,) = deployment["replicas"]
    assert replica["state"] == "RUNNING" and replica["pid"] > 0
    assert re.fullmatch(r"[a-z0-9]{8}", replica["replica_id"])
    assert replica["actor_name"] == f"SERVE_REPLICA::hello#hello#{replica['replica_id']}"
    (proxy,) = details["proxies"].values()
    assert proxy["status"] == "HEALTHY"


def test_each_request_has_an_access_log_line(hello: Instance) -> None:
    hello.get("/hello", headers={"x-request-id": "look-for-me"})
    for files, line in {
        "serve/proxy_*.log": r"^INFO .* proxy \S+ look-for-me -- GET /hello 200 [\d.]+ms$",
        "serve/replica_hello_hello_*.log": r"^INFO .* hello_hello \w+ look-for-me -- GET /hello 200 [\d.]+ms$",
    }.items():
        wait_for(
            f"the line in {files}", lambda f=files, e=line: re.search(e, hello.log(f), re.M), 5
        )


def test_user_output_goes_to_the_logs(shared: Instance) -> None:
    chatty = {"name": "chatty", "route_prefix": "/chatty", "import_path": "functions:chatty_app"}
    shared.deploy(HELLO, chatty)
    assert shared.text("/chatty") == '"chatty"'
    wait_for("print", lambda: "a line from print" in shared.log("**/*"), 5)
    wait_for(
        "logging",
        lambda: "a line from logging" in shared.log("serve/replica_chatty_chatty_*.log"),
        5,
    )
