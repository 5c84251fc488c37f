# SPDX-License-Identifier: Apache-2.0
"""Users' own Python processes: serve.run and what goes with it."""

from pathlib import Path

import pytest
from instance import Instance

PREPARE = """
import ray
from ray import serve
serve.start(http_options={"port": %d})
"""


@pytest.fixture(scope="module")
def driver(shared: Instance):
    shared.command("serve", "start", f"--http-port={shared.http_port}")

    def run(source: str) -> str:
        done = shared.python(PREPARE % shared.http_port + source)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{shared.log_tails()}"
        return done.stdout

    return run


def test_a_script_without_a_main_guard_runs(shared: Instance, driver) -> None:
    said = driver("""
@serve.deployment
class Greeter:
    def __init__(self, word): self.word = word
    def __call__(self, request=None): return self.word
    def greet(self, name): return f"{self.word} {name}"

handle = serve.run(Greeter.bind("ahoj"), name="greeter", route_prefix="/greeter")
print(handle.greet.remote("Brno").result())
print(serve.status().applications["greeter"].status)
print(serve.get_app_handle("greeter").greet.remote("Praha").result(timeout_s=5))
""")
    assert said.splitlines() == ["ahoj Brno", "RUNNING", "ahoj Praha"]
    assert shared.text("/greeter") == "ahoj", (
        "an application outlives the driver that found the instance"
    )
    assert shared.application("greeter")["source"] == "imperative"


def test_running_again_replaces_the_application(shared: Instance, driver) -> None:
    source = """
@serve.deployment
def app(request): return "%s"
serve.run(app.bind(), name="again", route_prefix="/again")
"""
    driver(source % "one")
    assert shared.text("/again") == "one"
    driver(source % "two")
    assert shared.text("/again") == "two"


def test_errors_streams_and_timeouts_reach_the_driver(driver) -> None:
    said = driver("""
import time
@serve.deployment
class D:
    def fail(self): raise KeyError("k")
    def count(self, n): yield from range(n)
    def slow(self): time.sleep(2)

handle = serve.run(D.bind(), name="d", route_prefix=None)
try:
    handle.fail.remote().result()
except KeyError as error:
    print("KeyError", isinstance(error, ray.exceptions.RayTaskError))
print(list(handle.options(stream=True).count.remote(4)))
try:
    handle.slow.remote().result(timeout_s=0.1)
except TimeoutError:
    print("late")
""")
    assert said.splitlines() == ["KeyError True", "[0, 1, 2, 3]", "late"]


def test_a_failed_deploy_raises(driver) -> None:
    said = driver("""
@serve.deployment
class Bad:
    def __init__(self): raise ValueError("no weights")
try:
    serve.run(Bad.bind(), name="bad", route_prefix="/bad")
except RuntimeError as error:
    print(str(error).startswith("Deploying application bad failed"), "no weights" in serve.status().applications["bad"].deployments["Bad"].message)
serve.delete("bad")
print("bad" in serve.status().applications)
""")
    assert said.splitlines() == ["True True", "False"]


def test_delete_and_shutdown(shared: Instance, driver) -> None:
    driver("""
@serve.deployment
def app(request): return "x"
serve.run(app.bind(), name="gone", route_prefix="/gone")
serve.delete("gone")
assert "gone" not in serve.status().applications
""")
    assert shared.get("/gone").status_code == 404


def test_a_driver_that_starts_the_instance_ends_it(tmp_path: Path, shared: Instance) -> None:
    script = tmp_path / "own.py"
    script.write_text(f"""
import requests
from ray import serve
import ray
ray.init(address="local")
serve.start(http_options={{"port": {shared.http_port + 1}}})
@serve.deployment
def app(request): return "own"
serve.run(app.bind())
print(requests.get("http://127.0.0.1:{shared.http_port + 1}/", timeout=10).text)
""")
    done = shared.python(script)
    assert (done.returncode, done.stdout.strip().splitlines()[-1:]) == (0, ["own"]), done
