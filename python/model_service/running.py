# SPDX-License-Identifier: Apache-2.0
"""A request that user code works on, and its ASGI ``receive`` and ``send``."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from .context import RequestContext

if TYPE_CHECKING:
    from .host import Host


class Receive:
    """ASGI's ``receive`` for one request: the body's parts as they come, then the disconnect."""

    __slots__ = ("_complete", "_link", "_parts", "_rid", "_waiter", "gone")

    def __init__(self, link: Any, rid: int, body: bytes, complete: bool):
        self._link = link
        self._rid = rid
        self._complete = complete  # the last part is here
        self._parts: deque | None = deque(((body, complete),))
        self._waiter: asyncio.Future | None = None
        self.gone = False

    async def __call__(self) -> dict:
        while True:
            if self._parts:
                data, last = self._parts.popleft()
                if data and not self._complete:
                    self._link.read(self._rid, len(data))
                return {"type": "http.request", "body": data, "more_body": not last}
            if self.gone:
                return {"type": "http.disconnect"}
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def add(self, data: bytes, complete: bool) -> None:
        """One more part of the body."""
        self._complete = complete
        self._parts.append((data, complete))
        self._wake()

    def end(self) -> None:
        """The client is gone, or has its whole answer."""
        self.gone = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Running:
    """A request that user code works on."""

    __slots__ = (
        "cancelled",
        "context",
        "method",
        "receive",
        "rid",
        "started_at",
        "task",
        "writable",
    )

    def __init__(
        self, rid: int, context: RequestContext, method: str, receive: Receive | None = None
    ):
        self.rid = rid
        self.context = context
        self.method = method
        self.receive = receive
        self.started_at = 0.0  # 0: user code has not begun
        self.task: asyncio.Task | None = None
        self.writable: asyncio.Future | None = None
        self.cancelled = False


class Send:
    """ASGI's ``send`` for one request. A body that comes whole leaves in one message."""

    __slots__ = ("_host", "_running", "ended", "head", "head_sent")

    def __init__(self, host: Host, running: Running):
        self._host = host
        self._running = running
        self.head: tuple[int, list] | None = None
        self.head_sent = False
        self.ended = False

    async def __call__(self, message: dict) -> None:
        kind = message["type"]
        if kind == "http.response.body":
            await self._body(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.start":
            if self.head is not None:
                raise RuntimeError("The response was started twice.")
            self.head = (message["status"], [tuple(pair) for pair in message.get("headers", ())])

    async def _body(self, data: Any, more: bool) -> None:
        if self.head is None:
            raise RuntimeError("The response's body came before its start.")
        if self.ended:
            raise RuntimeError("The response has ended already.")
        link, rid = self._host.link, self._running.rid
        data = data if type(data) is bytes else bytes(data)
        self.ended = not more
        if not self.head_sent:
            self.head_sent = True
            if not more:
                link.respond(rid, *self.head, data)
                return
            link.head(rid, *self.head)
            if not data:
                return
        if not link.chunk(rid, data, not more) and more:
            await self._host.wait_writable(self._running)
