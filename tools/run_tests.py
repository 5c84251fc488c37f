#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the checks and tests, or only the fast ones (--fast), and sums them up in the last line: N passed, N failed.

Steps run in two lanes side by side.  The first builds what people use and runs the tests on it; the second does
what only reads the sources and the builds that nobody runs.  A step that fails shows the end of its log; the
whole of it is in build/logs/.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "build" / "logs"
PYTHON = str(ROOT / "build" / "venv" / "bin" / "python")
SANITIZE = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


@dataclass
class Step:
    name: str
    command: str
    fast: bool = True  # part of `make check`
    counts: str = "step"  # what its numbers are read from: step, meson, pytest
    folder: str = ""  # of the meson build
    timeout_s: int = 600
    needs: str = ""  # skipped when this earlier step of the lane failed, or this path is missing


TSAN_TARGETS = " ".join(
    f"src/{name}_test"
    for name in ("wire_channel", "replica_host", "replica_host_requests", "replica_host_calls")
)


def meson_tests(folder: str, suites: str = "--suite unit --suite fuzz") -> str:
    return f"meson test -C {folder} --no-rebuild {suites} --num-processes 2 --print-errorlogs"


def pytest(paths: str, name: str, more: str = "") -> str:
    return f"{PYTHON} -m pytest {paths} {more} -q --tb=short --junitxml build/logs/{name}.xml"


LANES = [
    [
        Step("build", "tools/meson.sh build/release -Dbuildtype=release && tools/install.sh build/release"),
        Step("unit", meson_tests("build/release"), counts="meson", folder="build/release", needs="build"),
        # The unit tests have run it with a tenth of these events, and another seed.
        Step(
            "simulation",
            "ROUTER_SIM_EVENTS=10000000 ROUTER_SIM_SEED=7 build/release/src/router_router_sim_test",
            fast=False, needs="build",
        ),
        Step("ext", pytest("tests/ext", "ext"), counts="pytest", needs="build"),
        Step("python", pytest("tests/python", "python"), counts="pytest", needs="build"),
        Step("smoke", pytest("tests/e2e", "smoke", "-m smoke"), counts="pytest", needs="build"),
        Step(
            "e2e", pytest("tests/e2e", "e2e", "-m 'not smoke'"), fast=False, counts="pytest", needs="build",
            timeout_s=900,
        ),
    ],
    [
        Step("layers", "tools/check_layers.py"),
        Step("style", "tools/check_style.py"),
        Step("format", "git ls-files '*.c' '*.h' | xargs clang-format-14 --dry-run -Werror"),
        Step("shell", "git ls-files '*.sh' .ci/run | xargs shellcheck"),
        Step("ruff", "build/venv/bin/ruff check --no-cache . && build/venv/bin/ruff format --no-cache --check ."),
        Step("checks", pytest("tests/tools", "checks"), counts="pytest"),
        Step("clang", "CC=clang-14 tools/meson.sh build/clang -Dbuildtype=release", fast=False),
        Step("tidy", "tools/tidy.py build/clang", fast=False, needs="clang"),
        Step(
            "asan", "CC=clang-14 tools/meson.sh build/asan -Dbuildtype=debug -Doptimization=1 "
            "-Db_sanitize=address,undefined -Db_lundef=false", fast=False,
        ),
        Step("asan-unit", meson_tests("build/asan"), fast=False, counts="meson", folder="build/asan", needs="asan"),
        # The same processes with sanitizers; Python itself stays as it is.
        Step(
            "asan-e2e",
            "mkdir -p build/asan/bin && ln -sfn ../src/model-service build/asan/bin/ray && "
            "ln -sfn ../src/model-service build/asan/bin/serve && MODEL_SERVICE_BIN=$PWD/build/asan/bin "
            + pytest("tests/e2e", "asan-e2e", "-m smoke"),
            fast=False, counts="pytest", needs="asan",
        ),
        # What has threads: the links, and the host below the Python extension.
        Step("tsan", f"CC=clang-14 TARGETS='{TSAN_TARGETS}' tools/meson.sh build/tsan -Dbuildtype=debug "
             "-Doptimization=1 -Db_sanitize=thread -Db_lundef=false && cd build/tsan && "
             f"for test in {TSAN_TARGETS}; do ./$test || exit 1; done", fast=False),
        Step("gcc-debug", "tools/meson.sh build/debug -Dbuildtype=debug", fast=False),
    ],
]  # fmt: skip


def count_meson(folder: str) -> tuple[int, int]:
    """Test functions, not programs; a program that died or failed to start counts as one failure."""
    passed = failed = 0
    for line in (ROOT / folder / "meson-logs" / "testlog.json").read_text().splitlines():
        row = json.loads(line)
        oks = len(re.findall(r"^ok ", row.get("stdout", ""), re.M))
        not_oks = len(re.findall(r"^not ok ", row.get("stdout", ""), re.M))
        is_good = row["result"] in ("OK", "EXPECTEDFAIL", "SKIP")
        passed += oks if oks or not_oks or not is_good else 1
        failed += not_oks if not_oks or is_good else 1
    return passed, failed


def count_pytest(name: str) -> tuple[int, int]:
    suite = ElementTree.parse(LOGS / f"{name}.xml").getroot().find("testsuite").attrib
    failed = int(suite["failures"]) + int(suite["errors"])
    return int(suite["tests"]) - failed - int(suite["skipped"]), failed


class Runner:
    def __init__(self) -> None:
        self.passed = self.failed = 0
        self.bad: set[str] = set()
        self.lock = threading.Lock()

    def count(self, step: Step, is_good: bool) -> tuple[int, int]:
        try:
            if step.counts == "meson":
                passed, failed = count_meson(step.folder)
            elif step.counts == "pytest":
                passed, failed = count_pytest(step.name)
            else:
                return int(is_good), int(not is_good)
        except (OSError, ValueError, AttributeError, ElementTree.ParseError):
            return 0, 1
        return passed, failed if is_good else max(1, failed)

    def run(self, step: Step) -> None:
        if "/" in step.needs and not (ROOT / step.needs).exists():
            return
        started = time.monotonic()
        log = LOGS / f"{step.name}.log"
        for old in (LOGS / f"{step.name}.xml", ROOT / step.folder / "meson-logs" / "testlog.json"):
            old.unlink(missing_ok=True)
        if step.needs in self.bad:
            is_good, said = False, f"not run: {step.needs} failed\n"
            log.write_text(said)
        else:
            with log.open("wb") as out:
                is_good = self.execute(step, out)
        passed, failed = self.count(step, is_good)
        took = time.monotonic() - started
        with self.lock:
            self.passed += passed
            self.failed += failed
            print(f"{step.name:<10} {took:7.1f} s  {passed:5} passed {failed:4} failed", flush=True)
            if failed:
                self.bad.add(step.name)
                tail = log.read_text(errors="replace").splitlines()[-60:]
                print("\n".join(f"    {line}" for line in tail), flush=True)
                print(f"    (all of it: {log.relative_to(ROOT)})", flush=True)

    def execute(self, step: Step, out) -> bool:
        child = subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", step.command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, **SANITIZE},
        )  # fmt: skip
        try:
            return child.wait(step.timeout_s) == 0
        except subprocess.TimeoutExpired:
            out.write(f"\ntook more than {step.timeout_s} s\n".encode())
            os.killpg(child.pid, 9)
            child.wait()
            return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="only what takes little time")
    parser.add_argument("--only", default="", help="names of steps, with commas between")
    args = parser.parse_args()
    only = set(filter(None, args.only.split(",")))
    LOGS.mkdir(parents=True, exist_ok=True)
    runner = Runner()

    def run_lane(lane: list[Step]) -> None:
        for step in lane:
            if (step.name in only) if only else (step.fast or not args.fast):
                runner.run(step)

    ended: list[int] = []

    def run_whole_lane(lane: list[Step]) -> None:
        run_lane(lane)
        ended.append(1)

    lanes = [threading.Thread(target=run_whole_lane, args=(lane,)) for lane in LANES]
    started = time.monotonic()
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    # A lane that broke off has not tried the rest of its steps.
    runner.failed += len(LANES) - len(ended)
    print(f"took {time.monotonic() - started:.0f} s")
    print(f"{runner.passed} passed, {runner.failed} failed")
    return 1 if runner.failed else 0


if __name__ == "__main__":
    sys.exit(main())
