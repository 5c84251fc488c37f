# SPDX-License-Identifier: Apache-2.0
"""A link without an engine behind it: the test gives requests and sees the answers."""

import asyncio
import itertools
import os
import threading
from collections import deque
from typing import Any

from model_service import serialize
from model_service.host import Host
from model_service.logs import ReplicaLog
from model_service.servable import Servable


class FakeLink:
    """The methods of `_ext.Link` that a replica uses (docs/interfaces.md §8)."""

    def __init__(self) -> None:
        self._events: deque = deque()
        self._fd = os.eventfd(0, os.EFD_NONBLOCK)
        self._ids = itertools.count(2, 2)
        self._arrived = threading.Condition()
        self.answers: dict[int, dict] = {}
        self.controls: list[tuple[str, str]] = []
        self.calls: dict[int, tuple] = {}
        self.credit: dict[int, int] = {}
        self.is_full = False

    # --- the replica's side

    def fileno(self) -> int:
        return self._fd

    def drain(self, hold: bool = False) -> list:
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            pass
        events = list(self._events)
        self._events.clear()
        return events

    def flush(self) -> None:
        pass

    def started(self, rid: int) -> None:
        self.answers[rid]["started"] = True

    def respond(self, rid: int, status: int, headers: list, body: bytes) -> None:
        assert isinstance(body, bytes)
        self._answer(rid, status=status, headers=headers, chunks=[body], ended=True)

    def head(self, rid: int, status: int, headers: list) -> None:
        self._answer(rid, status=status, headers=headers)

    def chunk(self, rid: int, data: bytes, end: bool) -> bool:
        if data:
            self.answers[rid]["chunks"].append(data)
        self._answer(rid, ended=end)
        return not self.is_full

    def result(self, rid: int, data: bytes) -> None:
        self._answer(rid, data=data, ended=True)

    def error(self, rid: int, kind: int, text: str, data: bytes) -> None:
        self._answer(rid, error=(kind, text, data), ended=True)

    def read(self, rid: int, size: int) -> None:
        self.credit[rid] = self.credit.get(rid, 0) + size

    def control(self, name: str, body: str) -> None:
        self.controls.append((name, body))

    def call(self, deployment: str, method: str, args: bytes, **meta: Any) -> int:
        cid = next(self._ids) + 1
        self.calls[cid] = (deployment, method, args, meta)
        return cid

    def cancel(self, cid: int) -> None:
        self.calls[cid] = (*self.calls[cid], "cancelled")

    def join(self, info: str) -> None:
        self.joined = info

    def close(self) -> None:
        os.close(self._fd)

    # --- the test's side

    def _answer(self, rid: int, **fields: Any) -> None:
        answer = self.answers[rid]
        assert not answer["ended"], f"request {rid} is answered twice"
        answer.update(fields)

    def push(self, *event: Any) -> None:
        self._events.append(event)
        os.eventfd_write(self._fd, 1)

    def http(self, path: str = "/", body: bytes = b"", *, method: str = "GET", complete: bool = True,
             headers: tuple = (), prefix: str = "", request_id: str = "id", model_id: str = "") -> int:  # fmt: skip
        rid = next(self._ids)
        self.answers[rid] = {"ended": False, "chunks": []}
        path, _, query = path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
            "method": method, "scheme": "http", "path": prefix + path, "raw_path": (prefix + path).encode(),
            "query_string": query.encode(), "root_path": prefix, "headers": list(headers),
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
            "model_service": (request_id, "app", prefix or "/", model_id, 0),
        }  # fmt: skip
        self.push("http", rid, scope, body, complete)
        return rid

    def handle_call(self, method: str, *args: Any, streaming: bool = False, **kwargs: Any) -> int:
        rid = next(self._ids)
        self.answers[rid] = {"ended": False, "chunks": []}
        meta = (method, "id", "app", "/", "", streaming)
        self.push("call", rid, meta, serialize.dumps((args, kwargs)))
        return rid

    async def answer(self, rid: int) -> dict:
        for _ in range(2000):
            if self.answers[rid]["ended"]:
                return self.answers[rid]
            await asyncio.sleep(0.001)
        raise AssertionError(f"no answer to {rid}: {self.answers[rid]}")


class Served:
    """A deployment behind a fake link, on the running loop."""

    def __init__(
        self,
        deployment: Any,
        *args: Any,
        config: dict | None = None,
        tmp_path: Any = "/tmp",
        **kwargs: Any,
    ):
        self.link = FakeLink()
        content = {
            "func_or_class": getattr(deployment, "func_or_class", deployment),
            "init_args": args, "init_kwargs": kwargs,
        }  # fmt: skip
        self.servable = Servable(
            content, "app", "D", "replica1", config or {"max_ongoing_requests": 5}
        )
        log = ReplicaLog(str(tmp_path), "app", "D", "replica1")
        log.access = False
        self.host = Host(self.link, self.servable, log, "/")

    async def __aenter__(self) -> "Served":
        await self.servable.start()
        self.host.ready()
        self.host.attach()
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.servable.stop()
        self.host.detach()
        self.link.close()

    async def get(
        self, path: str = "/", body: bytes = b"", **options: Any
    ) -> tuple[int, dict, bytes]:
        """Status, headers and body of one request."""
        answer = await self.link.answer(self.link.http(path, body, **options))
        if "error" in answer:
            return 500, {}, answer["error"][1].encode()
        headers = {name.decode(): value.decode() for name, value in answer["headers"]}
        return answer["status"], headers, b"".join(answer["chunks"])

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        answer = await self.link.answer(self.link.handle_call(method, *args, **kwargs))
        if "error" in answer:
            from model_service.exceptions import from_wire

            raise from_wire(*answer["error"], "id", "D", method)
        return serialize.loads(answer["data"])
