# SPDX-License-Identifier: Apache-2.0
"""From import paths and bound applications to artefacts."""

import json
import subprocess
import sys

import pytest
from model_service import blobs, build
from model_service.deployment import deployment
from model_service.exceptions import RayServeException
from model_service.handle import DeploymentHandle
from model_service.imports import split_import_path

MODULE = """
from ray import serve
from fastapi import FastAPI
from pydantic import BaseModel

api = FastAPI()
STATE = {"imports": 0}

@serve.deployment(num_replicas=2, user_config={"a": 1})
class Inner:
    def __init__(self, n): self.n = n
    def reconfigure(self, config): pass

@serve.deployment
@serve.ingress(api)
class Outer:
    def __init__(self, inner, more): self.inner, self.more = inner, more
    def state(self): return STATE

class Args(BaseModel):
    n: int

def typed(args: Args): return Outer.bind(Inner.bind(args.n), {"x": [Inner.bind(2)]})
def untyped(args): return Inner.bind(args["n"])
def two(a, b): pass
def wrong(args): return 3
bound = Inner.bind(1)
def boom(args): raise KeyError("in user code")
"""


@pytest.fixture
def run_build(tmp_path):
    (tmp_path / "apps.py").write_text(MODULE)

    def run(target, args=None):
        spec = {
            "application": "app",
            "import_path": target,
            "args": args or {},
            "session_dir": str(tmp_path),
        }
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        command = [sys.executable, "-m", "model_service.build", "spec.json", "result.json"]
        subprocess.run(command, cwd=tmp_path, capture_output=True)
        return json.loads((tmp_path / "result.json").read_text())

    return run


def test_a_typed_builder_makes_a_whole_artefact(run_build, tmp_path):
    artefact = run_build("apps:typed", {"n": "5"})
    by_name = {d["name"]: d for d in artefact["deployments"]}
    assert artefact["ingress"] == "Outer" and sorted(by_name) == ["Inner", "Inner_1", "Outer"]
    assert by_name["Outer"]["outbound"] == ["Inner", "Inner_1"]
    assert by_name["Outer"]["is_asgi"] and by_name["Outer"]["docs_path"] == "/docs"
    assert by_name["Inner"]["options"] == {"num_replicas": 2, "user_config": {"a": 1}}
    assert by_name["Inner"]["has_reconfigure"] and not by_name["Outer"]["has_reconfigure"]
    assert artefact["python"]["cwd"] == str(tmp_path)


def test_a_blob_imports_its_class_and_holds_handles(run_build, tmp_path, monkeypatch):
    artefact = run_build("apps:typed", {"n": 5})
    digest = next(d["blob"] for d in artefact["deployments"] if d["name"] == "Outer")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "apps", raising=False)
    content = blobs.load(blobs.read(str(tmp_path), digest))
    import apps

    assert content["func_or_class"] is apps.Outer.func_or_class
    inner, more = content["init_args"]
    assert isinstance(inner, DeploymentHandle) and inner.deployment_id.name == "Inner"
    assert more["x"][0].deployment_name == "Inner_1" and more["x"][0].app_name == "app"


def test_the_version_of_a_build_follows_its_content(run_build):
    first, same, other = (run_build("apps:untyped", {"n": n})["code_version"] for n in (1, 1, 2))
    assert first == same != other


@pytest.mark.parametrize(
    ("target", "args", "text"),
    [
        ("apps:two", {}, "should take exactly one parameter"),
        ("apps:wrong", {}, "must return an `Application`"),
        ("apps:bound", {"a": "b"}, "not an already built application"),
        ("apps:STATE", {}, "Expected a built Serve application"),
        ("apps:nothing", {}, "has no attribute 'nothing'"),
        ("nowhere:app", {}, "No module named 'nowhere'"),
        ("apps:typed", {"n": "x"}, "validation error"),
    ],
)
def test_what_cannot_be_built_says_why(run_build, target, args, text):
    assert text in run_build(target, args)["error"]


def test_an_error_shows_the_users_line(run_build):
    error = run_build("apps:boom")["error"]
    assert 'raise KeyError("in user code")' in error and "apps.py" in error


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("abc", "at least on dot or colon"),
        ("a:b:c", "at most one colon"),
        (":a", "with a colon"),
        ("a.", "with a dot"),
    ],
)
def test_a_malformed_import_path_is_refused(path, text):
    with pytest.raises(ValueError, match=text):
        split_import_path(path)


def test_shared_applications_are_one_deployment_and_two_ingresses_are_too_many(tmp_path):
    from fastapi import FastAPI
    from model_service.asgi import ingress

    @deployment
    class A:
        def __init__(self, *inner):
            pass

    shared = A.bind()
    stored = {}

    def store(data):
        digest = blobs.store(str(tmp_path), data)
        stored[digest] = data
        return digest

    artefact = build.make_artefact(A.bind(shared, [shared]), "app", store)
    assert [d["name"] for d in artefact["deployments"]] == ["A", "A_1"]

    first = deployment(name="X")(
        ingress(FastAPI())(type("X", (), {"__init__": lambda self, *a: None}))
    )
    with pytest.raises(RayServeException, match="multiple FastAPI deployments"):
        build.make_artefact(first.bind(first.bind()), "app", store)


def test_two_classes_of_one_name_stay_apart():
    def make(n):
        @deployment
        class Same:
            def value(self):
                return n

        return Same

    walk = build.Walk("app", False)
    loaded = []
    for n in (1, 2):
        walk.visit(make(n).bind())
    for _, _, blob, _ in walk.found:
        loaded.append(blobs.load(blob)["func_or_class"]().value())
    assert loaded == [1, 2] and [name for name, *_ in walk.found] == ["Same", "Same_1"]


def test_code_by_value_keeps_its_file_name():
    @deployment
    class Local:
        def value(self):
            return 1

    blob = blobs.dump(Local.bind()._bound_deployment, lambda app: ("", ""), False)
    assert blobs.load(blob)["func_or_class"].value.__code__.co_filename == __file__


def test_a_damaged_blob_is_noticed(tmp_path):
    digest = blobs.store(str(tmp_path), b"data")
    (tmp_path / "blobs" / digest).write_bytes(b"other")
    with pytest.raises(ValueError, match="damaged"):
        blobs.read(str(tmp_path), digest)
