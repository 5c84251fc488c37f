# SPDX-License-Identifier: Apache-2.0
"""Applications that are hard on the processes around them."""

import ctypes
import os
import signal
import subprocess
import time

from ray import serve
from starlette.requests import Request


@serve.deployment(graceful_shutdown_timeout_s=1, graceful_shutdown_wait_loop_s=0.1)
class Stubborn:
    """Has children in groups of their own and does not end when asked."""

    def __init__(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.children = [
            subprocess.Popen(["sleep", "987"]),
            subprocess.Popen(["sleep", "987"], start_new_session=True),
        ]

    def __del__(self) -> None:
        time.sleep(60)

    def __call__(self, request: Request) -> dict:
        return {"pid": os.getpid(), "children": [c.pid for c in self.children]}


@serve.deployment(num_replicas=1)
class Fragile:
    def __call__(self, request: Request) -> str:
        if "segfault" in request.query_params:
            ctypes.string_at(0)
        if "exit" in request.query_params:
            print("these are my last words", flush=True)
            os._exit(3)
        return str(os.getpid())


@serve.deployment(ray_actor_options={"num_cpus": 2, "num_gpus": 0})
def environment(request: Request) -> dict:
    return dict(os.environ)


@serve.deployment
def printer(request: Request) -> str:
    for i in range(int(request.query_params["n"])):
        print(f"line {i} " + "x" * 100)
    return "printed"


@serve.deployment
class SlowStart:
    def __init__(self) -> None:
        time.sleep(1)

    def __call__(self, request: Request) -> str:
        return str(os.getpid())


@serve.deployment
class Unhealthy:
    def __init__(self) -> None:
        self.ill = False

    def check_health(self) -> None:
        if self.ill:
            raise RuntimeError("I do not feel well")

    def __call__(self, request: Request) -> str:
        self.ill |= "ill" in request.query_params
        return str(os.getpid())


stubborn_app = Stubborn.bind()
slowstart_app = SlowStart.bind()
fragile_app = Fragile.bind()
environment_app = environment.bind()
printer_app = printer.bind()
unhealthy_app = Unhealthy.options(health_check_period_s=0.1, health_check_timeout_s=1).bind()
