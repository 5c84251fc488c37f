# SPDX-License-Identifier: Apache-2.0
"""Helpers that users' tests import from ``ray._common.test_utils`` and ``ray.serve._private.test_utils``."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Callable
from typing import Any


def wait_for_condition(
    condition: Callable[..., Any],
    timeout: float = 10,
    retry_interval_ms: int = 100,
    raise_exceptions: bool = False,
    **kwargs: Any,
) -> None:
    """Ask until the condition holds. RuntimeError after ``timeout`` seconds, naming its last exception."""
    deadline = time.monotonic() + timeout
    last: BaseException | None = None
    while time.monotonic() <= deadline:
        try:
            if condition(**kwargs):
                return
        except Exception as e:
            if raise_exceptions:
                raise
            last = e
        time.sleep(retry_interval_ms / 1000)
    raise RuntimeError(_too_late(condition, last))


async def async_wait_for_condition(
    condition: Callable[..., Any], timeout: float = 10, retry_interval_ms: int = 100, **kwargs: Any
) -> None:
    """``wait_for_condition`` on a loop; the condition may be async."""
    deadline = time.monotonic() + timeout
    last: BaseException | None = None
    while time.monotonic() <= deadline:
        try:
            holds = condition(**kwargs)
            if await holds if inspect.isawaitable(holds) else holds:
                return
        except Exception as e:
            last = e
        await asyncio.sleep(retry_interval_ms / 1000)
    raise RuntimeError(_too_late(condition, last))


def _too_late(condition: Callable, last: BaseException | None) -> str:
    text = f"The condition wasn't met before the timeout expired: {getattr(condition, '__name__', condition)}."
    return text if last is None else f"{text} Last exception: {last!r}"


def get_application_urls(
    protocol: str = "HTTP", app_name: str = "default", use_localhost: bool = True, **_: Any
) -> list[str]:
    """Where an application answers."""
    from .client import running_client

    served = running_client()
    app = served.details()["applications"].get(app_name)
    prefix = (app or {}).get("route_prefix") or ""
    return [f"{served.root_url}{prefix.rstrip('/')}"]


def get_application_url(
    protocol: str = "HTTP", app_name: str = "default", use_localhost: bool = True, **_: Any
) -> str:
    """Where an application answers."""
    return get_application_urls(protocol, app_name, use_localhost)[0]


def check_running(app_name: str = "default") -> bool:
    """Whether the application runs; AssertionError when it does not."""
    from .client import running_client

    assert running_client().status().applications[app_name].status == "RUNNING"
    return True


def request_with_retries(timeout: float = 30, app_name: str = "default", **options: Any) -> Any:
    """GET the application until it answers; the ``requests`` response."""
    import requests

    deadline = time.monotonic() + timeout
    while True:
        try:
            return requests.get(get_application_url(app_name=app_name), timeout=timeout, **options)
        except requests.RequestException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@contextlib.asynccontextmanager
async def send_signal_on_cancellation(signal_actor: Any) -> AsyncIterator[None]:
    """Run the body, then wait for a cancel and tell the SignalActor of it."""
    try:
        yield
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        await signal_actor.send.remote()


def tlog(text: str, level: str = "INFO") -> None:
    """A line with the time."""
    now = time.time()
    stamp = time.strftime("%H:%M:%S", time.localtime(now)) + f",{int(now % 1 * 1000):03d}"
    print(f"[{stamp}] {level}: {text}")
