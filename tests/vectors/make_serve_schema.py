# SPDX-License-Identifier: Apache-2.0
"""Writes serve_schema.jsonl: what real Ray 2.53 makes of good and bad configurations.

Run by hand, never by a build, with a Python that has ray[serve]==2.53.0:
    PYTHONHASHSEED=0 python tests/vectors/make_serve_schema.py > tests/vectors/serve_schema.jsonl
Each line: {"in": document, "out": submitted fields as coerced, or "error": the text of the 400}.
"""

import json

from ray.serve.schema import ServeDeploySchema


def app(**fields):
    return {"applications": [{"import_path": "m:a", **fields}]}


def dep(**fields):
    return app(deployments=[{"name": "D", **fields}])


def options(**fields):
    return dep(ray_actor_options=fields)


def logging(**fields):
    return {"applications": [], "logging_config": fields}


def top(**fields):
    return {"applications": [], **fields}


ODD = [
    None,
    True,
    0,
    -1,
    2.7,
    "3",
    " 4 ",
    "2.5",
    "1_0",
    "abc",
    "",
    [],
    [1],
    ["ab"],
    [["k", 1]],
    {},
    {"a": 1},
]
DEPLOYMENT = [
    "name",
    "num_replicas",
    "max_ongoing_requests",
    "max_queued_requests",
    "user_config",
    "autoscaling_config",
    "graceful_shutdown_wait_loop_s",
    "graceful_shutdown_timeout_s",
    "health_check_period_s",
    "health_check_timeout_s",
    "ray_actor_options",
    "placement_group_bundles",
    "placement_group_strategy",
    "max_replicas_per_node",
    "logging_config",
    "request_router_config",
]
APPLICATION = [
    "name",
    "route_prefix",
    "import_path",
    "runtime_env",
    "host",
    "port",
    "deployments",
    "autoscaling_policy",
    "args",
    "logging_config",
    "external_scaler_enabled",
]
TOP = [
    "proxy_location",
    "http_options",
    "grpc_options",
    "logging_config",
    "applications",
    "target_capacity",
]
ACTOR = ["runtime_env", "num_cpus", "num_gpus", "memory", "resources", "accelerator_type"]
HTTP = [
    "host",
    "port",
    "root_path",
    "request_timeout_s",
    "keep_alive_timeout_s",
    "ssl_keyfile",
    "ssl_certfile",
    "ssl_keyfile_password",
    "ssl_ca_certs",
]
GRPC = ["port", "grpc_servicer_functions", "request_timeout_s"]
LOGGING = [
    "encoding",
    "log_level",
    "logs_dir",
    "enable_access_log",
    "additional_log_standard_attrs",
]


def documents():
    for value in ODD:
        yield value
        for f in TOP:
            yield top(**{f: value})
        for f in APPLICATION:
            yield app(**{f: value})
        for f in DEPLOYMENT:
            yield dep(**{f: value})
        for f in ACTOR:
            yield options(**{f: value})
        for f in HTTP:
            yield top(http_options={f: value})
        for f in GRPC:
            yield top(grpc_options={f: value})
        for f in LOGGING:
            yield logging(**{f: value})
    # Names and cross-field rules.
    yield {}
    yield {"applications": [{}]}
    yield {"applications": [{}, {"name": "b"}]}
    yield {"applications": [{"import_path": "m:a"}, {"import_path": "m:b"}]}
    yield {
        "applications": [{"import_path": "m:a", "name": "a"}, {"import_path": "m:b", "name": "b"}]
    }
    yield {
        "applications": [
            {"import_path": "m:a", "name": n, "route_prefix": "/" + n + str(i)}
            for i, n in enumerate("cacaca")
        ]
    }
    yield {
        "applications": [
            {"import_path": "m:a", "name": f"n{i}", "route_prefix": p}
            for i, p in enumerate(["/x", "/y", "/x", None, None, "/y"])
        ]
    }
    yield {
        "applications": [
            {"import_path": "m:a", "name": "a", "route_prefix": "/a", "host": "h"},
            {"import_path": "m:a", "name": "b", "route_prefix": "/b", "port": 1},
        ]
    }
    yield {"applications": [{"import_path": "m:a", "name": "it's", "port": "12", "host": 5}]}
    yield top(proxy_location="HeadOnly")
    yield top(proxy_location="headonly")
    yield top(target_capacity=100)
    yield top(target_capacity=100.5)
    yield top(target_capacity="50")
    yield top(nonsense=1, http_options={"prt": 1})
    # Import paths, prefixes.
    for p in [
        "a",
        "a.b",
        "a:b",
        "a:b:c",
        ":a",
        "a:",
        ".a",
        "a.",
        "a.b.c:d",
        ":",
        ".",
        "a..b",
        "é",
        "é.b",
        "a'b",
        "a\"b'c",
        "tab\tx",
        "a\nb",
        "\u2028x",
        "\U0001f600",
    ]:
        yield app(import_path=p)
    for p in ["x", "/x/", "/{x}", "/", "", "/x"]:
        yield app(route_prefix=p)
    # Replicas and autoscaling.
    for n in [1, 2, 0, -1, 2.5, "2", "auto", "Auto", "1", True, None]:
        for a in [None, {}, {"min_replicas": 1}, {"max_replicas": 0}]:
            yield dep(num_replicas=n, autoscaling_config=a)
            yield dep(
                num_replicas=n,
                autoscaling_config=a,
                max_replicas_per_node=3,
                placement_group_bundles=[{"CPU": 1}],
            )
        for x in [True, False]:
            yield app(external_scaler_enabled=x, deployments=[{"name": "D", "num_replicas": n}])
    yield app(
        external_scaler_enabled=True,
        deployments=[
            {"name": "D", "autoscaling_config": {}},
            {"name": "E", "num_replicas": "auto"},
            {"name": "F"},
            {"name": "G", "autoscaling_config": {"min_replicas": 2}},
        ],
    )
    yield app(
        external_scaler_enabled=True,
        name="x",
        deployments=[{"name": "D", "autoscaling_config": None}],
    )
    for q in [-1, 0, -2, 1, 5, "5", 5.0, True, None]:
        yield dep(max_queued_requests=q)
    yield dep(
        max_ongoing_requests=0,
        max_queued_requests=0,
        num_replicas=0,
        user_config=[],
        graceful_shutdown_timeout_s="x",
        ray_actor_options={"num_cpus": -1, "num_gpus": "y"},
    )
    yield dep(placement_group_bundles=[{"CPU": "1", "GPU": 0.5}], placement_group_strategy="PACK")
    yield dep(placement_group_bundles=[{"CPU": "x"}, 3, {"a": None}])
    yield dep(placement_group_strategy="SPREAD")
    yield dep(max_replicas_per_node=1000)
    yield dep(max_replicas_per_node=0)
    yield dep(request_router_config={"request_router_class": "a:b"})
    yield dep(request_router_config={"request_routing_stats_period_s": "5"})
    yield dep(request_router_config={"request_routing_stats_period_s": 0})
    yield dep(health_check_period_s=0, health_check_timeout_s=-1)
    yield dep(graceful_shutdown_wait_loop_s=-1)
    yield app(deployments=[{"name": "D"}, {"name": "D"}])
    yield app(deployments=[{"num_replicas": 1}, {"name": "B", "max_ongoing_requests": "z"}, 7])
    yield app(deployments={"name": "D"})
    # runtime_env.
    for uri in [
        "https://h/a.zip",
        "http://h/a.zip",
        "/tmp/x",
        "./x",
        "x",
        "s3://b/k",
        "gs://b/k.zip",
        "file:///a.zip",
        "https://h/a",
        "https://h/a.whl",
        "ftp://x/y.zip",
        "gcs://x.zip",
        "",
        "azure://c/p.zip",
        "abfss://a@b/c.zip",
        "HTTPS://h/a.zip",
        "https:/x.zip",
        "pip://x",
        "file:/a.zip",
        "https://",
        "C:\\x.zip",
        "git@github.com:a/b.zip",
        5,
        None,
        [],
        ["x"],
    ]:
        yield app(runtime_env={"working_dir": uri})
        yield app(runtime_env={"py_modules": [uri]})
        yield options(runtime_env={"working_dir": uri})
    yield app(runtime_env={"py_modules": "https://h/a.zip"})
    yield app(runtime_env={"py_modules": "abc"})
    yield app(
        runtime_env={"py_modules": ["https://h/a.zip", "x", "http://y/z.zip"], "working_dir": "q"}
    )
    yield app(runtime_env={"py_modules": 5})
    yield app(runtime_env={"py_modules": {"x": 1}})
    yield app(runtime_env={"pip": ["x"], "conda": "y", "env_vars": {"A": 1}})
    yield app(runtime_env={"working_dir": "x"}, import_path="bad", host="h", port=1)
    # Logging.
    for v in ["TEXT", "JSON", "text", "Json", 5, None]:
        yield logging(encoding=v)
    for v in [
        "INFO",
        "info",
        "WARN",
        "FATAL",
        "NOTSET",
        "X",
        10,
        20,
        30,
        40,
        50,
        0,
        15,
        "10",
        10.0,
        10.7,
        "it's",
        True,
    ]:
        yield logging(log_level=v)
    yield logging(additional_log_standard_attrs=["name", "name"])
    yield logging(additional_log_standard_attrs=["name", "nope", "alsonot"])
    yield logging(additional_log_standard_attrs="name")
    yield logging(bogus=1)
    yield logging(bogus=1, other=2, encoding="x")
    yield dep(logging_config={"log_level": "DEBUG"})
    yield dep(logging_config={"log_level": "x", "extra": 1})
    yield {
        "logging_config": {"log_level": 10},
        "applications": [
            {"import_path": "m:a"},
            {
                "import_path": "m:b",
                "name": "b",
                "route_prefix": "/b",
                "logging_config": {"encoding": "JSON"},
            },
            {"import_path": "m:c", "name": "c", "route_prefix": "/c", "logging_config": None},
        ],
    }
    yield {"logging_config": {"log_level": "bad"}, "applications": [{"import_path": "m:a"}]}
    # HTTP and gRPC.
    yield top(http_options={"ssl_certfile": "c"})
    yield top(http_options={"ssl_keyfile": "k"})
    yield top(http_options={"ssl_certfile": "c", "ssl_keyfile": "k", "ssl_keyfile_password": "p"})
    yield top(http_options={"ssl_certfile": "c", "port": "x"})
    yield top(http_options={"ssl_certfile": "", "ssl_keyfile": None})
    yield top(http_options={"ssl_certfile": "c", "ssl_keyfile": ""})
    yield top(
        http_options={
            "host": "h",
            "port": 1,
            "root_path": "/r",
            "request_timeout_s": 0,
            "keep_alive_timeout_s": "7",
        }
    )
    yield top(grpc_options={"port": 0, "grpc_servicer_functions": ["a", 5, None, True, 2.5, 1e22]})
    yield top(grpc_options={"grpc_servicer_functions": "abc"})
    yield options(
        num_cpus=0.5,
        num_gpus="0.25",
        memory=1e9,
        resources={"x": 1},
        accelerator_type="T4",
        scheduling_strategy="SPREAD",
        max_restarts=3,
    )
    yield app(
        external_scaler_enabled=True, deployments=[{"name": "D", "autoscaling_config": {}}, 3]
    )
    yield app(external_scaler_enabled=True, deployments=7)
    yield app(external_scaler_enabled="x", deployments=[{"name": "D", "autoscaling_config": {}}])
    yield dep(
        max_queued_requests=0,
        max_replicas_per_node=3,
        placement_group_bundles=[{"CPU": 1}],
        num_replicas=3,
        autoscaling_config={},
    )
    yield dep(num_replicas="x", autoscaling_config={})
    yield {
        "applications": [
            {"import_path": "m:a", "name": "x", "route_prefix": 1},
            {"import_path": "m:a", "name": "x", "route_prefix": "1"},
        ]
    }
    yield {
        "applications": [
            {"import_path": "m:a", "name": "", "route_prefix": "/a"},
            {"import_path": "m:a", "name": "", "route_prefix": "/b"},
        ]
    }
    yield {
        "applications": [
            {"import_path": "m:a", "name": "x", "route_prefix": "/a"},
            {"import_path": "m:a", "name": "x", "route_prefix": "/a"},
        ]
    }
    yield top(target_capacity="-1e-7")
    yield dep(
        health_check_period_s="1e-7", user_config={"a": [1.0, 1e-7, 1e16, 123456789012345680.0]}
    )
    yield logging(enable_access_log="x", encoding=None, log_level=None)
    yield {
        "applications": [
            {
                "import_path": "m:a",
                "deploymnts": [],
                "deployments": [{"name": "D", "num_replica": 1}],
            }
        ]
    }
    for b in ["yes", "no", "on", "OFF", "t", "F", "1", "0", "maybe", 1.0, 2, "Y", "tRuE"]:
        yield app(external_scaler_enabled=b)
    yield {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": 8000, "request_timeout_s": 30},
        "applications": [
            {
                "name": "text",
                "route_prefix": "/text",
                "import_path": "pkg.app:build",
                "args": {"model": "small"},
                "runtime_env": {"working_dir": "https://host/a.zip", "env_vars": {"A": "1"}},
                "deployments": [
                    {
                        "name": "Encoder",
                        "num_replicas": "auto",
                        "max_ongoing_requests": 16,
                        "max_queued_requests": 64,
                        "autoscaling_config": {"max_replicas": 8, "target_ongoing_requests": 4},
                        "user_config": {"threshold": 0.5},
                        "ray_actor_options": {"num_gpus": 1},
                    }
                ],
            }
        ],
    }


def main():
    seen = set()
    for document in documents():
        text = json.dumps(document)
        if text in seen:
            continue
        seen.add(text)
        line = {"in": document}
        try:
            # A copy: Ray's checks may change what they are given.
            parsed = ServeDeploySchema.parse_obj(json.loads(text))
            line["out"] = json.loads(
                json.dumps(parsed.dict(exclude_unset=True), default=lambda e: e.value)
            )
        except Exception as e:  # noqa: BLE001: whatever Ray raises is the answer
            line["error"] = repr(e)
        print(json.dumps(line))


main()
