# SPDX-License-Identifier: Apache-2.0
"""The declared world: what is refused, what an update changes, what a delete leaves, and what statuses say."""

import pytest
import requests
from instance import Instance, wait_for


def counter(**deployment) -> dict:
    return {
        "name": "counter", "route_prefix": "/counter", "import_path": "functions:counter_app",
        "deployments": [{"name": "Counter", **deployment}],
    }  # fmt: skip


HELLO = {"name": "hello", "route_prefix": "/hello", "import_path": "functions:hello_app"}


def test_before_the_first_deploy_the_answer_is_the_empty_form(instance: Instance) -> None:
    assert instance.details() == {
        "deploy_mode": "MULTI_APP", "controller_info": {}, "proxies": {}, "applications": {}, "target_capacity": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"applications": [counter(max_ongoing_requests=0)]},
            "ensure this value is greater than 0",
        ),
        ({"applications": [{"name": "a"}]}, "field required"),
        (
            {"applications": [HELLO, {**HELLO, "route_prefix": "/x"}]},
            'multiple configs for application "hello"',
        ),
        (
            {"applications": [{**HELLO, "name": "a"}, {**HELLO, "name": "b"}]},
            'duplicate applications for route prefix "/hello"',
        ),
        ({"applications": [{**HELLO, "import_path": "nodot"}]}, 'Got invalid import path "nodot"'),
        (
            {"applications": [{**HELLO, "logging_config": {"colour": 1}}]},
            "extra fields not permitted",
        ),
        (
            {"applications": [{**HELLO, "runtime_env": {"working_dir": "./x"}}]},
            "support only remote URIs",
        ),
        (
            {"applications": [counter(num_replicas=2, autoscaling_config={})]},
            "Manually setting num_replicas is not allowed when autoscaling_config is provided.",
        ),
        ({}, "field required"),
    ],
)
def test_a_bad_config_is_refused_and_changes_nothing(
    shared: Instance, config: dict, said: str
) -> None:
    if "hello" not in shared.details()["applications"]:
        shared.deploy(HELLO)
    answer = shared.put(config)
    assert answer.status_code == 400 and said in answer.text, answer.text
    assert (
        list(shared.details()["applications"]) == ["hello"]
        and shared.text("/hello") == "hello world"
    )


def test_a_body_that_is_not_json_is_refused(shared: Instance) -> None:
    answer = requests.put(f"{shared.dashboard}/api/serve/applications/", data=b"{", timeout=5)
    assert answer.status_code == 400


def test_an_import_error_is_in_the_status(shared: Instance) -> None:
    assert (
        shared.put(shared.config({**HELLO, "import_path": "broken_import:app"})).status_code == 200
    )
    failed = shared.wait_status("hello", "DEPLOY_FAILED")
    assert "a_module_that_nobody_has" in failed["message"] and "Traceback" in failed["message"]
    shared.deploy(HELLO)


@pytest.mark.parametrize(
    ("import_path", "said"),
    [
        ("broken:nothing", "nothing"),
        ("broken:not_an_app", "Expected a built Serve application"),
        ("broken:two", "exactly one parameter"),
    ],
)
def test_an_import_path_that_is_no_application_says_so(
    shared: Instance, import_path: str, said: str
) -> None:
    assert shared.put(shared.config({**HELLO, "import_path": import_path})).status_code == 200
    assert said in shared.wait_status("hello", "DEPLOY_FAILED")["message"]


def test_an_unknown_deployment_is_named(shared: Instance) -> None:
    shared.put(shared.config({**HELLO, "deployments": [{"name": "Nobody"}]}))
    message = shared.wait_status("hello", "DEPLOY_FAILED")["message"]
    assert "Deployment 'Nobody' does not exist. Available: ['hello']" in message


def test_a_constructor_that_fails_three_times_fails_the_deploy(shared: Instance) -> None:
    shared.put(
        shared.config({"name": "broken", "route_prefix": "/broken", "import_path": "broken:app"})
    )
    failed = shared.wait_status("broken", "DEPLOY_FAILED")
    deployment = failed["deployments"]["NoConstructor"]
    assert (deployment["status"], deployment["status_trigger"]) == (
        "DEPLOY_FAILED",
        "REPLICA_STARTUP_FAILED",
    )
    assert "failed to start 3 times in a row" in deployment["message"]
    assert "the weights are missing" in deployment["message"]
    assert "NoConstructor" in failed["message"]
    answer = shared.get("/broken")
    assert answer.status_code == 503
    assert (
        answer.text
        == "Deployment(name='NoConstructor', app='broken') is unavailable because it failed to deploy."
    )


def test_a_failed_build_leaves_the_old_version_serving(instance: Instance) -> None:
    instance.deploy(HELLO)
    instance.put(instance.config({**HELLO, "import_path": "broken_import:app"}))
    instance.wait_status("hello", "DEPLOY_FAILED")
    assert instance.text("/hello") == "hello world"


def test_the_same_config_again_restarts_nothing(instance: Instance) -> None:
    instance.deploy(counter(user_config={"a": 1}))
    before, first = instance.replicas("counter", "Counter"), instance.application("counter")
    instance.deploy(counter(user_config={"a": 1}))
    assert instance.replicas("counter", "Counter") == before
    assert instance.application("counter")["last_deployed_time_s"] > first["last_deployed_time_s"]


def test_a_new_user_config_reaches_the_living_replica(instance: Instance) -> None:
    instance.deploy(counter(user_config={"a": 1}))
    before = instance.replicas("counter", "Counter")
    assert instance.get("/counter").json()["config"] == {"a": 1}
    instance.deploy(counter(user_config={"a": 2}))
    wait_for("the new config", lambda: instance.get("/counter").json()["config"] == {"a": 2})
    seen = instance.get("/counter").json()
    assert seen["n"] == 2 and seen["value"] > 20
    assert instance.replicas("counter", "Counter") == before


def test_another_version_takes_over_without_a_gap(instance: Instance) -> None:
    instance.deploy(counter())
    (old,) = instance.replicas("counter", "Counter")
    answer = instance.put(instance.config(counter(ray_actor_options={"num_cpus": 2})))
    assert answer.status_code == 200

    def replaced() -> bool:
        assert instance.get("/counter").status_code == 200
        running = instance.replicas("counter", "Counter")
        return bool(running) and old not in running

    wait_for("the new version", replaced)
    instance.wait_running("counter")


def test_replicas_are_added_and_taken_away(instance: Instance) -> None:
    instance.deploy(counter(num_replicas=3))
    assert len(instance.replicas("counter", "Counter")) == 3
    wait_for(
        "all three to answer",
        lambda: len({instance.get("/counter").json()["pid"] for _ in range(12)}) == 3,
    )
    instance.deploy(counter(num_replicas=1))
    wait_for("one to be left", lambda: len(instance.replicas("counter", "Counter")) == 1)
    assert instance.get("/counter").status_code == 200


def test_an_application_that_is_no_longer_declared_goes(instance: Instance) -> None:
    instance.deploy(HELLO, counter())
    instance.deploy(HELLO)
    wait_for("counter to go", lambda: list(instance.details()["applications"]) == ["hello"])
    assert instance.get("/counter").status_code == 404 and instance.text("/hello") == "hello world"


def test_delete_ends_serving_and_a_put_begins_it_again(instance: Instance) -> None:
    instance.deploy(HELLO)
    answer = requests.delete(f"{instance.dashboard}/api/serve/applications/", timeout=40)
    assert (answer.status_code, answer.text) == (200, "")
    assert instance.details()["applications"] == {} and "deploy_mode" in instance.details()
    instance.deploy(HELLO)
    assert instance.text("/hello") == "hello world"


def test_arguments_reach_the_builder(instance: Instance) -> None:
    instance.deploy({**counter(), "import_path": "functions:build_counter", "args": {"start": 100}})
    assert instance.get("/counter").json()["value"] == 101


def test_a_replica_that_feels_unwell_three_times_is_replaced(instance: Instance) -> None:
    instance.deploy(counter(health_check_period_s=0.2))
    (old,) = instance.replicas("counter", "Counter")
    instance.get("/counter?sick")
    wait_for(
        "a new replica", lambda: old not in (instance.replicas("counter", "Counter") or [old]), 15
    )
    instance.wait_running("counter")


def test_a_replica_that_can_never_be_placed_says_why(instance: Instance) -> None:
    instance.put(instance.config(counter(ray_actor_options={"num_cpus": 1000})))

    def reason() -> str:
        app = instance.application("counter")
        messages = [app["message"], *(d["message"] for d in app["deployments"].values())]
        return next((m for m in messages if "1000" in m), "")

    assert "CPU" in wait_for("the reason", reason, 45)
