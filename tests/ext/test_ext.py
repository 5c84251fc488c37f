# SPDX-License-Identifier: Apache-2.0
"""The extension model_service._ext against a router and a node that the test plays (docs/interfaces.md §8)."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time

import pytest
from model_service import _ext

from .wire import END, MORE, Peer, headers_block, parse_headers

CREDIT = 256 * 1024
CANCELLED, UNREACHABLE, USER = 4, 6, 7


class Site:
    """A link with both peers, and what it has told so far."""

    def __init__(self, tmp_path, role: str):
        self.router = Peer(tmp_path, "router")
        self.node = Peer(tmp_path, "node")
        self.link = _ext.Link(role, str(tmp_path), "me", "secret", json.dumps({"pid": 1}))
        self.events: list[tuple] = []
        if role == "replica":
            self.node.accept()
            assert self.next("link") == ("link", "node", True)
            self.link.join(json.dumps({"deployment": "text#D"}))
        self.router.accept()
        assert self.next("link") == ("link", "router", True)

    def next(self, kind: str) -> tuple:
        """The next event, which must be of this kind."""
        while not self.events:
            assert self.link.wait(10.0)
            self.events += self.link.drain()
        event = self.events.pop(0)
        assert event[0] == kind, event
        return event

    def close(self) -> None:
        self.link.close()
        self.router.close()
        self.node.close()


@pytest.fixture
def replica(tmp_path):
    site = Site(tmp_path, "replica")
    yield site
    site.close()


@pytest.fixture
def driver(tmp_path):
    site = Site(tmp_path, "driver")
    yield site
    site.close()


def test_hello_says_who_we_are(replica):
    magic, low, high, role, _, name, token, info = replica.node.hello
    assert (low, high, role, name, token) == (1, 1, 16, b"me", b"secret")
    assert json.loads(info) == {"pid": 1}
    assert json.loads(replica.router.hello[7]) == {"deployment": "text#D", "running": []}


def test_a_request_becomes_an_asgi_scope(replica):
    replica.router.http(2, b"body")
    _, rid, scope, body, complete = replica.next("http")
    assert (rid, body, complete) == (2, b"body", True)
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/text/ä",
        "raw_path": b"/text/%C3%A4",
        "query_string": b"a=1",
        "root_path": "/text",
        "headers": [(b"host", b"h"), (b"x-own", b"\xff")],
        "client": ("10.0.0.7", 5555),
        "server": ("127.0.0.1", 8000),
        "model_service": ("id-1", "text", "/text", "", 0),
    }


def test_scopes_share_nothing_that_can_change(replica):
    for rid in (2, 4):
        replica.router.http(rid)
    first, second = replica.next("http")[2], replica.next("http")[2]
    first["headers"].append((b"a", b"b"))
    first["asgi"]["version"] = "x"
    first["path"] = "/other"
    assert second["headers"] == [(b"host", b"h"), (b"x-own", b"\xff")]
    assert second["asgi"]["version"] == "3.0"
    assert second["path"] == "/text/ä"


def test_what_differs_from_the_request_before_is_seen(replica):
    replica.router.http(2)
    replica.next("http")
    replica.router.http(
        4, path="/b", raw_path="/b", query="", http_minor=0, client="[::1]:7", server="unix",
        method="BREW", root_path="", request_id="id-2", timeout_ms=9,
        headers=headers_block([(b"host", b"other"), (b"accept", b"*/*")]),
    )  # fmt: skip
    scope = replica.next("http")[2]
    assert scope["path"] == "/b" and scope["raw_path"] == b"/b" and scope["query_string"] == b""
    assert scope["http_version"] == "1.0" and scope["method"] == "BREW"
    assert scope["client"] == ("::1", 7) and scope["server"] is None
    assert scope["root_path"] == "" and scope["model_service"] == ("id-2", "text", "/text", "", 9)
    assert scope["headers"] == [(b"host", b"other"), (b"accept", b"*/*")]


def test_a_path_that_is_not_utf8_does_not_fail(replica):
    replica.router.http(2, path=b"/\xff", raw_path=b"/%FF")
    assert replica.next("http")[2]["path"] == "/\ufffd"
    replica.router.http(4, path=b"/\xff", raw_path=b"/%FF")
    assert replica.next("http")[2]["path"] == "/\ufffd"


def test_an_answer_goes_out_whole(replica):
    replica.router.http(2)
    replica.next("http")
    replica.link.started(2)
    replica.link.respond(2, 201, [(b"Content-Type", b"text/plain"), [b"x", b"Y"]], b"hello")
    assert replica.router.expect("STARTED").stream == 2
    head = replica.router.expect("HEAD")
    status, block, body = head.fields
    assert (head.flags, status, body) == (END, 201, b"hello")
    assert parse_headers(block) == [(b"content-type", b"text/plain"), (b"x", b"Y")]


@pytest.mark.parametrize(
    "arguments",
    [
        (2, 99, [], b""),
        (2, "200", [], b""),
        (2, 200, [("a", "b")], b""),
        (2, 200, [(b"a",)], b""),
        (2, 200, [(b"a", b"x" * (1 << 20))], b""),
        (2, 200, 5, b""),
        (2, 200, [], "text"),
        (-2, 200, [], b""),
        ("2", 200, [], b""),
        (2, 200, []),
    ],
)
def test_wrong_arguments_raise_and_the_request_can_still_be_answered(replica, arguments):
    replica.router.http(2)
    replica.next("http")
    with pytest.raises((TypeError, ValueError, OverflowError)):
        replica.link.respond(*arguments)
    replica.link.respond(2, 200, iter([(b"a", b"b")]), memoryview(bytearray(b"data")))
    assert replica.router.expect("HEAD").fields[2] == b"data"


def test_a_streamed_answer_stops_without_credit(replica):
    replica.router.http(2)
    replica.next("http")
    replica.link.head(2, 200, [])
    sent = 0
    while True:
        sent += 60_000
        if not replica.link.chunk(2, bytes(60_000), False):
            break
    assert CREDIT <= sent < CREDIT + 60_000
    assert replica.router.expect("HEAD").flags == 0
    got = 0
    while got < CREDIT:
        got += len(replica.router.expect("CHUNK").fields[0])
    assert got == CREDIT and replica.router.is_silent()
    replica.router.send("CREDIT", 0, 2, 1 << 20)
    assert replica.next("writable") == ("writable", 2)
    assert replica.link.chunk(2, b"", True)
    while replica.router.expect("CHUNK").flags != END:
        pass


def test_a_body_is_read_under_credit(replica):
    replica.router.http(2, bytes(60_000), complete=False)
    assert replica.next("http")[4] is False
    replica.router.send("BODY", 0, 2, bytes(60_000))
    assert replica.next("body") == ("body", 2, bytes(60_000), False)
    assert replica.router.is_silent()
    replica.link.read(2, 120_000)
    assert replica.router.expect("CREDIT").fields == (120_000,)
    replica.router.send("BODY", END, 2, b"last")
    assert replica.next("body") == ("body", 2, b"last", True)


def test_a_call_is_answered(replica):
    replica.router.send(
        "DISPATCH_CALL", END, 2, 0, "id", "text", "/text", "m1", "predict", 0, b"args"
    )
    assert replica.next("call") == (
        "call",
        2,
        ("predict", "id", "text", "/text", "m1", False),
        b"args",
    )
    replica.link.result(2, b"r" * 100_000)
    first, second = replica.router.expect("CHUNK"), replica.router.expect("CHUNK")
    assert (first.flags, second.flags) == (MORE, END)
    assert first.fields[0] + second.fields[0] == b"r" * 100_000


def test_an_error_carries_a_pickle(replica):
    replica.router.send("DISPATCH_CALL", END, 2, 0, "id", "text", "/", "", "f", 0, b"")
    replica.next("call")
    replica.link.error(2, USER, "it failed", b"\0pickle")
    frame = replica.router.expect("ERROR")
    assert (frame.flags, frame.fields) == (END, (USER, b"it failed", b"\0pickle"))
    with pytest.raises(ValueError):
        replica.link.error(2, 77, "", b"")


def test_a_cancelled_request_is_ended_by_its_answer(replica):
    replica.router.http(2)
    replica.next("http")
    replica.router.send("CANCEL", 0, 2, CANCELLED)
    assert replica.next("cancel") == ("cancel", 2, CANCELLED)
    assert replica.router.is_silent()
    replica.link.respond(2, 200, [], b"nobody reads this")
    assert replica.router.expect("ERROR").fields[0] == CANCELLED


def test_our_own_calls(driver):
    link, router = driver.link, driver.router
    cid = link.call(
        "text#B", "predict", bytearray(b"args"), request_id="id", route="/r",
        multiplexed_model_id="m", streaming=False, timeout_ms=0,
    )  # fmt: skip
    frame = router.expect("CALL")
    assert (frame.stream, frame.flags) == (cid, END)
    assert frame.fields == (b"text#B", 0, b"id", b"/r", b"m", b"predict", 0, b"args")
    router.send("STARTED", 0, cid, 0)
    router.send("CHUNK", END, cid, b"result")
    assert driver.next("started") == ("started", cid)
    assert driver.next("done") == ("done", cid, b"result")

    cid = link.call("text#B", "stream", b"", streaming=True, timeout_ms=5000)
    assert 0 < router.expect("CALL").fields[1] <= 5000
    router.send("CHUNK", 0, cid, b"one")
    router.send("CHUNK", MORE, cid, b"t")
    router.send("CHUNK", 0, cid, b"wo")
    router.send("CHUNK", END, cid, b"")
    assert [driver.next("item"), driver.next("item")] == [
        ("item", cid, b"one"), ("item", cid, b"two"),
    ]  # fmt: skip
    assert driver.next("done") == ("done", cid, None)

    cid = link.call("text#B", "bad", b"")
    router.expect("CALL")
    router.send("ERROR", END, cid, USER, "text", b"data")
    assert driver.next("error") == ("error", cid, USER, "text", b"data")

    cid = link.call("text#B", "slow", b"")
    link.cancel(cid)
    router.expect("CALL")
    assert router.expect("CANCEL").stream == cid
    router.send("ERROR", END, cid, CANCELLED, "", b"")
    assert driver.next("error")[2] == CANCELLED


def test_lookup_waits_without_the_gil(driver):
    found: list = []
    threads = [
        threading.Thread(target=lambda app=app: found.append((app, driver.link.lookup(app))))
        for app in ("text", "none")
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        frame = driver.router.expect("LOOKUP")
        yes = frame.fields[0] == b"text"
        driver.router.send(
            "LOOKUP_RESULT", END, frame.stream, yes, '{"ingress": "D"}' if yes else ""
        )
    for thread in threads:
        thread.join(10)
    assert sorted(found) == [("none", None), ("text", '{"ingress": "D"}')]


def test_control_and_ping_while_python_is_busy(replica):
    replica.node.send("CONTROL", 0, 0, "spec", '{"ä": 1}')
    assert replica.next("control") == ("control", "spec", '{"ä": 1}')
    replica.link.control("ready", "{}")
    assert replica.node.expect("CONTROL").fields == (b"ready", b"{}")
    replica.node.send("PING", 0, 0, 42)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:  # holds the GIL but for moments, and drains nothing
        if replica.node.buffer or not replica.node.is_silent(0.001):
            break
    assert replica.node.expect("PONG").fields == (42,)


def test_a_broken_link_is_told_and_made_again(replica):
    replica.router.http(2)
    replica.next("http")
    replica.router.cut()
    assert replica.next("link") == ("link", "router", False)
    assert replica.next("cancel") == ("cancel", 2, CANCELLED)
    replica.router.accept()
    assert json.loads(replica.router.hello[7])["running"] == [2]
    assert replica.next("link") == ("link", "router", True)
    replica.link.respond(2, 200, [], b"late")
    assert replica.router.expect("ERROR").stream == 2


def test_a_closed_link_says_so(driver):
    waiter: list = []

    def wait():
        try:
            driver.link.wait(30)
        except RuntimeError as e:
            waiter.append(str(e))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.05)
    driver.link.close()
    thread.join(10)
    assert waiter == ["the link is closed"]
    for use in (driver.link.drain, driver.link.fileno, driver.link.flush):
        with pytest.raises(RuntimeError):
            use()
    driver.link.close()


def test_a_link_that_is_dropped_frees_everything(tmp_path):
    router = Peer(tmp_path, "router")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        link = _ext.Link("driver", str(tmp_path), "me")
        router.accept()
        assert link.wait(10)
        link.drain()
        del link
        gc.collect()
        with pytest.raises(EOFError):
            router.receive()
        router.cut()
    assert len(os.listdir("/proc/self/fd")) == before
    router.close()


def test_many_requests_cost_one_wake_of_asyncio(replica):
    n = 50

    async def serve() -> int:
        loop = asyncio.get_running_loop()
        answered = loop.create_future()
        counts = [0, 0]

        def pump() -> None:
            counts[0] += 1
            for event in replica.link.drain(hold=True):
                replica.link.respond(event[1], 200, [], b"ok")
                counts[1] += 1
            loop.call_soon(replica.link.flush)
            if counts[1] == n:
                answered.set_result(None)

        loop.add_reader(replica.link.fileno(), pump)
        for i in range(n):
            replica.router.http(2 * i + 2)
        await asyncio.wait_for(answered, 10)
        loop.remove_reader(replica.link.fileno())
        await asyncio.sleep(0)
        return counts[0]

    wakes = asyncio.run(serve())
    assert wakes <= n // 2
    for _ in range(n):
        replica.router.expect("HEAD")


def test_a_forked_child_has_no_link(driver):
    pid = os.fork()
    if pid == 0:
        try:
            driver.link.drain()
        except RuntimeError:
            os._exit(7)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    cid = driver.link.call("a#B", "m", b"")
    assert driver.router.expect("CALL").stream == cid
