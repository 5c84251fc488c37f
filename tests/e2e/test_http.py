# SPDX-License-Identifier: Apache-2.0
"""What plain deployments see of a request, and what clients see of their answers."""

import http.client
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from instance import Instance, wait_for


def app(name: str, **more) -> dict:
    return {
        "name": name,
        "route_prefix": f"/{name}",
        "import_path": f"functions:{name}_app",
        **more,
    }


@pytest.fixture(scope="module")
def apps(shared: Instance) -> Instance:
    shared.deploy(
        app("returns"), app("stream"), app("big"),
        app("inspect", runtime_env={"env_vars": {"MINE": "yes"}},
            deployments=[{"name": "Inspect", "ray_actor_options": {"num_cpus": 3}}]),
        app("slow", deployments=[{"name": "Slow", "max_queued_requests": 2}]),
    )  # fmt: skip
    return shared


@pytest.mark.parametrize(
    ("what", "status", "content_type", "body"),
    [
        ("none", 200, "text/plain", b""),
        ("str", 200, "text/plain; charset=utf-8", "žluťoučký".encode()),
        ("bytes", 200, "text/plain", b"\x00\xff"),
        ("dict", 200, "application/json", b'{"a":[1,2],"b":null}'),
        ("numpy", 200, "application/json", b'{"array":[0,1,2],"scalar":0.5}'),
        ("response", 418, "application/json", b'{"teapot":true}'),
        ("plain", 200, "text/plain; charset=utf-8", b"plain"),
        ("raise", 500, None, b"Internal Server Error"),
    ],
)
def test_a_return_value_becomes_the_answer_of_the_table(
    apps, what, status, content_type, body
) -> None:
    answer = apps.get(f"/returns?what={what}")
    assert (answer.status_code, answer.content, answer.headers.get("content-type")) == (
        status,
        body,
        content_type,
    )


def test_user_code_sees_the_whole_request(apps: Instance) -> None:
    seen = apps.post("/inspect/a%20b?x=1&x=2", data=b"12345", headers={"X-Two": "2"}).json()
    assert seen["method"] == "POST" and seen["root_path"] == "/inspect"
    assert seen["path"] == "/inspect/a b" and seen["query"] == "x=1&x=2" and seen["size"] == 5
    assert ["x-two", "2"] in seen["headers"] and "x-request-id" in dict(map(tuple, seen["headers"]))


def test_the_environment_follows_resources_and_env_vars(apps: Instance) -> None:
    seen = apps.get("/inspect").json()
    assert seen["omp"] == "3" and seen["mine"] == "yes" and seen["application"] == "inspect"


def test_a_large_body_goes_in_whole(apps: Instance) -> None:
    body = bytes(range(256)) * 20_000
    seen = apps.post("/inspect", data=body).json()
    assert seen["size"] == len(body) and seen["sum"] == sum(body) % 65536


def test_a_chunked_body_goes_in_whole(apps: Instance) -> None:
    seen = apps.post("/inspect", data=iter([b"abc", b"d" * 100_000])).json()
    assert seen["size"] == 100_003


def test_a_large_answer_comes_out_whole(apps: Instance) -> None:
    assert apps.get("/big?size=5000000").content == b"x" * 5_000_000


def test_a_slow_reader_gets_all_and_stops_nobody(apps: Instance) -> None:
    with socket.create_connection(("127.0.0.1", apps.http_port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.sendall(b"GET /big?size=8000000 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        for _ in range(5):
            assert apps.get("/big?size=10").content == b"x" * 10
        size = 0
        while data := slow.recv(1 << 20):
            size += len(data)
        assert size > 8_000_000


def test_chunks_come_as_they_are_made(apps: Instance) -> None:
    with apps.get("/stream?n=6", stream=True) as answer:
        times = []
        for line in answer.iter_lines():
            times.append((time.monotonic(), float(line.split(b":")[1])))
    assert len(times) == 6
    assert times[-1][0] - times[0][0] > 0.15, "the chunks came all at once"


def test_head_has_no_body_and_keeps_the_connection(apps: Instance) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", apps.http_port, timeout=10)
    connection.request("HEAD", "/big?size=1000")
    answer = connection.getresponse()
    assert answer.status == 200 and answer.read() == b""
    connection.request("GET", "/big?size=3")
    assert connection.getresponse().read() == b"xxx"
    connection.close()


def test_a_get_may_have_a_body(apps: Instance) -> None:
    assert apps.get("/inspect", data=b"body").json()["size"] == 4


def test_pipelined_requests_are_answered_in_order(apps: Instance) -> None:
    with socket.create_connection(("127.0.0.1", apps.http_port), timeout=10) as wire:
        wire.sendall(
            b"GET /slow?s=0.2 HTTP/1.1\r\nhost: x\r\n\r\n"
            b"GET /big?size=2 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        )
        said = b""
        while data := wire.recv(65536):
            said += data
    assert said.count(b"HTTP/1.1 200") == 2 and said.index(b'"most"') < said.index(b"xx")


def test_expect_100_continue_is_honoured(apps: Instance) -> None:
    with socket.create_connection(("127.0.0.1", apps.http_port), timeout=10) as wire:
        wire.sendall(
            b"POST /inspect HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n"
        )
        assert wire.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n")
        wire.sendall(b"abc")
        assert b'"size":3' in wire.recv(65536)


def test_nonsense_is_answered_with_400(apps: Instance) -> None:
    with socket.create_connection(("127.0.0.1", apps.http_port), timeout=10) as wire:
        wire.sendall(
            b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        assert wire.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_no_replica_ever_runs_more_than_its_slots(apps: Instance) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: apps.get("/slow?s=0.1"), range(4)))
    assert [a.status_code for a in answers] == [200] * 4
    assert max(a.json()["most"] for a in answers) == 2


def test_more_than_the_queue_holds_is_refused(apps: Instance, tmp_path: Path) -> None:
    note = tmp_path / "note"
    with ThreadPoolExecutor(4) as pool:
        first = [pool.submit(apps.get, f"/slow?s=3&note={note}") for _ in range(2)]
        wait_for(
            "both slots to be taken", lambda: note.exists() and note.read_text().count("begun") == 2
        )
        queued = [socket.create_connection(("127.0.0.1", apps.http_port)) for _ in range(2)]
        for wire in queued:
            wire.sendall(b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        apps.get("/-/healthz")  # what was sent before it has been read by then
        answer = apps.get("/slow")
        assert answer.status_code == 503
        expected = (
            "Request dropped due to backpressure (num_queued_requests=2, max_queued_requests=2)."
        )
        assert answer.text == expected
        assert [f.result().status_code for f in first] == [200] * 2
        for wire in queued:
            with wire:
                assert wire.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_leaves_cancels_user_code(apps: Instance, tmp_path: Path) -> None:
    note = tmp_path / "note"
    with socket.create_connection(("127.0.0.1", apps.http_port)) as wire:
        wire.sendall(f"GET /slow?s=30&note={note} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        wait_for("user code to begin", lambda: note.exists() and "begun" in note.read_text())
    wait_for("user code to be cancelled", lambda: "cancelled" in note.read_text(), 5)
    wait_for("the log line", lambda: "GET /slow 499" in apps.log("**/proxy*"), 5)


def test_a_client_that_leaves_closes_a_stream(apps: Instance, tmp_path: Path) -> None:
    note = tmp_path / "note"
    with socket.create_connection(("127.0.0.1", apps.http_port)) as wire:
        wire.sendall(f"GET /stream?n=1000&note={note} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        wire.recv(4096)
    wait_for("the generator to be closed", note.exists, 5)


def test_a_request_that_takes_too_long_gets_408(instance: Instance, tmp_path: Path) -> None:
    note = tmp_path / "note"
    instance.deploy(app("slow"), http_options={"request_timeout_s": 0.5})
    answer = instance.get(f"/slow?s=30&note={note}", headers={"x-request-id": "r1"})
    assert (answer.status_code, answer.text) == (408, "Request r1 timed out after 0.5s.")
    wait_for("user code to be cancelled", lambda: "cancelled" in note.read_text(), 5)
