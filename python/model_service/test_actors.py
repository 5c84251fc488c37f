# SPDX-License-Identifier: Apache-2.0
"""Actors that users' tests import from ``ray._common.test_utils``."""

from __future__ import annotations

import asyncio
from typing import Any

from .actors import remote


@remote(num_cpus=0)
class SignalActor:
    """Lets many wait until one sends."""

    def __init__(self) -> None:
        self.ready_event = asyncio.Event()
        self.num_waiters = 0

    def send(self, clear: bool = False) -> None:
        self.ready_event.set()
        if clear:
            self.ready_event.clear()

    async def wait(self, should_wait: bool = True) -> None:
        if should_wait:
            self.num_waiters += 1
            try:
                await self.ready_event.wait()
            finally:
                self.num_waiters -= 1

    async def cur_num_waiters(self) -> int:
        return self.num_waiters


@remote(num_cpus=0)
class Semaphore:
    """A semaphore for several processes."""

    def __init__(self, value: int = 1) -> None:
        self._semaphore = asyncio.Semaphore(value)

    async def acquire(self) -> None:
        await self._semaphore.acquire()

    async def release(self) -> None:
        self._semaphore.release()

    async def locked(self) -> bool:
        return self._semaphore.locked()


@remote(num_cpus=0)
class Collector:
    """Gathers items from several processes."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def add(self, item: Any) -> None:
        self.items.append(item)

    def get(self) -> list[Any]:
        return self.items
