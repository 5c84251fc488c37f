# SPDX-License-Identifier: Apache-2.0
"""Writes overlay.jsonl: what real Ray 2.53 makes of code options under an application's configuration.

Run by hand, never by a build, with a Python that has ray[serve]==2.53.0:
    PYTHONHASHSEED=0 python tests/vectors/make_overlay.py > tests/vectors/overlay.jsonl
Each line: {"code": [{"name", "options"}], "config": application, "out": {name: [deployment_config as
GET shows it, required_resources]}, or "error": the last line of what Ray raises}.
"""

import copy
import json
from unittest import mock

import ray
from ray import serve
from ray.serve._private.application_state import override_deployment_info
from ray.serve._private.build_app import build_app
from ray.serve._private.deploy_utils import deploy_args_to_deployment_info, get_deploy_args
from ray.serve.schema import ServeApplicationSchema, _deployment_info_to_schema

ray.get_runtime_context = lambda: mock.MagicMock(get_job_id=lambda: "01000000")

BUNDLES = [{"CPU": 1}, {"CPU": 2, "GPU": 1}]
FULL_ACTOR = {
    "num_cpus": 2,
    "num_gpus": 0.5,
    "memory": 1000,
    "resources": {"a": 1, "b": 0.25},
    "accelerator_type": "T4",
    "runtime_env": {"env_vars": {"A": "1"}},
}


def deployments_of(code):
    """A bound application in which the first deployment calls the others."""
    nodes = []
    for c in code:

        class Model:
            def __init__(self, *others):
                pass

            def reconfigure(self, config):
                pass

        nodes.append(serve.deployment(name=c["name"], **c["options"])(Model))
    return nodes[0].bind(*[n.bind() for n in nodes[1:]])


def overlay(code, config):
    parsed = ServeApplicationSchema.parse_obj(config)
    built = build_app(
        deployments_of(code),
        name=parsed.name,
        route_prefix="/",
        default_runtime_env=parsed.runtime_env,
        logging_config=None,
        make_deployment_handle=lambda *a: None,
    )
    infos = {}
    for d in built.deployments:
        args = get_deploy_args(
            name=d.name,
            replica_config=d._replica_config,
            ingress=d.name == built.ingress_deployment_name,
            deployment_config=d._deployment_config,
            version="v",
            route_prefix="/",
        )
        infos[d.name] = deploy_args_to_deployment_info(**args, app_name=parsed.name)
    out = {}
    for name, info in override_deployment_info(infos, parsed).items():
        shown = _deployment_info_to_schema(name, info).dict(exclude_unset=True)
        out[name] = [shown, info.replica_config.resource_dict]
    return out


def one(options=None, config=None, **app):
    """One deployment D with these code options, and this entry for it in the configuration."""
    entry = {} if config is None else {"deployments": [{"name": "D", **config}]}
    return [{"name": "D", "options": options or {}}], {"import_path": "m:a", **entry, **app}


AUTO = {"min_replicas": 2, "max_replicas": 5, "upscale_delay_s": 7}


def cases():
    options = [
        {},
        {"num_replicas": 3},
        {"num_replicas": "auto"},
        {"autoscaling_config": AUTO},
        {"num_replicas": "auto", "autoscaling_config": AUTO},
        {"max_ongoing_requests": 7},
        {"autoscaling_config": {"upscale_delay_s": 7}},
        {"num_replicas": "auto", "autoscaling_config": {"upscale_delay_s": 7}},
    ]
    configs = [
        None,
        {},
        {"num_replicas": 4},
        {"num_replicas": "auto"},
        {"num_replicas": None},
        {"autoscaling_config": None},
        {"autoscaling_config": {}},
        {"autoscaling_config": {"max_replicas": 9}},
        {"num_replicas": "auto", "autoscaling_config": {"max_replicas": 9}},
        {"num_replicas": "auto", "autoscaling_config": None},
        {"num_replicas": 4, "autoscaling_config": None},
        {"num_replicas": None, "autoscaling_config": {"min_replicas": 0, "initial_replicas": 1}},
        {"max_ongoing_requests": 11},
    ]
    for o in options:
        for c in configs:
            yield one(o, c)
    # Bad and unusual inner values.
    for a in [
        {"min_replicas": 3},
        {"min_replicas": -1, "max_replicas": 0},
        {"max_replicas": "5"},
        {"min_replicas": 2, "max_replicas": 5, "initial_replicas": 1},
        {"min_replicas": 2, "max_replicas": 5, "initial_replicas": 6},
        {"target_ongoing_requests": None},
        {"target_ongoing_requests": 0.5},
        {"aggregation_function": "MAX"},
        {"aggregation_function": "x"},
        {"bogus": 1},
        {"policy": {"policy_function": "ray.serve.autoscaling_policy:default_autoscaling_policy"}},
        {"policy": {}},
        {"policy": None},
        {"smoothing_factor": 2},
        {"upscale_smoothing_factor": 0.5},
        {"downscaling_factor": 0.1, "downscale_smoothing_factor": 3},
        {"metrics_interval_s": 1},
        {"look_back_period_s": 0},
        {"downscale_to_zero_delay_s": 5},
        {"downscale_delay_s": -1},
    ]:
        yield one({}, {"autoscaling_config": a})
    # Every simple field, in code and in the configuration.
    simple = {
        "max_ongoing_requests": [3, 4],
        "max_queued_requests": [7, 8],
        "user_config": [{"a": 1}, {"b": [1, 2.5]}],
        "graceful_shutdown_wait_loop_s": [1, 2.5],
        "graceful_shutdown_timeout_s": [0, 3.5],
        "health_check_period_s": [5, 6.5],
        "health_check_timeout_s": [8, 9.5],
    }
    for field, (code, config) in simple.items():
        yield one({field: code})
        yield one({field: code}, {})
        yield one({}, {field: config})
        yield one({field: code}, {field: config})
    yield one({"user_config": {"a": 1}}, {"user_config": None})
    # Resources.
    for code in [
        {},
        {"num_cpus": 0},
        {"num_gpus": 1},
        FULL_ACTOR,
        {"runtime_env": {"env_vars": {"A": "1"}}},
        {"num_cpus": 0.0001},
        {"memory": 0},
        {"resources": {"a": 0}},
    ]:
        for config in [
            None,
            {},
            {"ray_actor_options": {}},
            {"ray_actor_options": {"num_cpus": 0}},
            {"ray_actor_options": {"num_cpus": None, "num_gpus": 2}},
            {"ray_actor_options": FULL_ACTOR},
            {"ray_actor_options": {"memory": None, "accelerator_type": None}},
        ]:
            yield one({"ray_actor_options": code}, config)
    # Environments.
    for app_env in [
        {},
        {"env_vars": {"P": "app", "A": "app"}},
        {"working_dir": "https://h/a.zip", "pip": ["x"]},
    ]:
        for code_env in [None, {}, {"env_vars": {"A": "code"}}, {"pip": ["y"]}]:
            for env in [
                None,
                {},
                {"env_vars": {"A": "config", "Q": "1"}},
                {"working_dir": "https://h/b.zip"},
            ]:
                o = {} if code_env is None else {"ray_actor_options": {"runtime_env": code_env}}
                c = None if env is None else {"ray_actor_options": {"runtime_env": env}}
                yield one(o, c, runtime_env=app_env)
        yield one(
            {"ray_actor_options": {"runtime_env": {"env_vars": {"A": "code"}}}},
            {},
            runtime_env=app_env,
        )
        yield one({}, {"ray_actor_options": {"num_gpus": 1}}, runtime_env=app_env)
    # Placement groups.
    yield one({"placement_group_bundles": BUNDLES})
    yield one({}, {"placement_group_bundles": BUNDLES})
    yield one({}, {"placement_group_bundles": BUNDLES, "placement_group_strategy": "STRICT_PACK"})
    yield one({}, {"placement_group_bundles": BUNDLES, "placement_group_strategy": "X"})
    yield one({}, {"placement_group_strategy": "PACK"})
    yield one({}, {"placement_group_bundles": []})
    yield one({}, {"placement_group_bundles": [{}]})
    yield one({}, {"placement_group_bundles": [{"CPU": -1}]})
    yield one({}, {"placement_group_bundles": [{"CPU": 0}]})
    yield one({}, {"placement_group_bundles": [{"CPU": 0.5}]})
    yield one({}, {"placement_group_bundles": [{"CPU": 1}], "ray_actor_options": {"num_gpus": 1}})
    yield one(
        {},
        {"placement_group_bundles": [{"GPU": 1}, {"CPU": 5}], "ray_actor_options": {"num_cpus": 0}},
    )
    yield one(
        {}, {"placement_group_bundles": [{"CPU": 1}], "ray_actor_options": {"resources": {"a": 1}}}
    )
    yield one({}, {"placement_group_bundles": [{"CPU": 1}], "ray_actor_options": {"memory": 5}})
    for n in [1, 100, 0, 101, -3]:
        yield one({}, {"max_replicas_per_node": n})
    yield one({"max_replicas_per_node": 3}, {"placement_group_bundles": BUNDLES})
    yield one({"placement_group_bundles": BUNDLES}, {"max_replicas_per_node": 2})
    # Request routers.
    yield one({}, {"request_router_config": {}})
    yield one(
        {},
        {
            "request_router_config": {
                "request_routing_stats_period_s": 5,
                "request_router_kwargs": {"a": 1},
            }
        },
    )
    yield one({}, {"request_router_config": {"request_routing_stats_period_s": 0}})
    yield one({}, {"request_router_config": {"request_router_kwargs": 5}})
    # Several deployments.
    code = [{"name": "A", "options": {"num_replicas": 2}}, {"name": "B", "options": {}}]
    yield code, {"import_path": "m:a"}
    yield code, {"import_path": "m:a", "deployments": [{"name": "B", "num_replicas": 3}]}
    yield code, {"import_path": "m:a", "deployments": [{"name": "X"}]}
    yield code, {"import_path": "m:a", "deployments": [{"name": "B"}, {"name": "it's"}]}
    yield (
        code,
        {
            "import_path": "m:a",
            "deployments": [
                {"name": "B", "num_replicas": 3},
                {"name": "B", "max_ongoing_requests": 9},
            ],
        },
    )
    yield code, {"import_path": "m:a", "route_prefix": "x"}
    yield code, {"import_path": "m:a", "route_prefix": "/x"}
    yield code, {"import_path": "m:a", "route_prefix": "/x/"}
    yield code, {"import_path": "m:a", "route_prefix": "/{x}"}
    yield code, {"import_path": "m:a", "route_prefix": ""}
    yield code, {"import_path": "m:a", "route_prefix": None}


def main():
    for code, config in cases():
        line = {"code": code, "config": config}
        try:
            line["out"] = json.loads(json.dumps(overlay(copy.deepcopy(code), config)))
        except Exception as e:  # noqa: BLE001: whatever Ray raises is the answer
            line["error"] = f"{type(e).__name__}: {e}"
        print(json.dumps(line))


main()
