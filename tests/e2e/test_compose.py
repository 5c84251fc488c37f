# SPDX-License-Identifier: Apache-2.0
"""Handles between deployments and applications, batching, item streams, and cancel through handles."""

import socket
from pathlib import Path

import pytest
from instance import Instance, wait_for


@pytest.fixture(scope="module")
def front(shared: Instance) -> Instance:
    shared.deploy(
        {"name": "front", "route_prefix": "/front", "import_path": "compose:app"},
        {"name": "adder", "route_prefix": None, "import_path": "compose:adder_app"},
        {
            "name": "built",
            "route_prefix": "/built",
            "import_path": "compose:build",
            "args": {"increment": "7"},
        },
    )
    return shared


def test_a_response_may_be_an_argument(front: Instance) -> None:
    assert front.get("/front?do=chain&x=5").json() == 7


def test_a_builder_gets_its_arguments_as_a_model(front: Instance) -> None:
    assert front.get("/built?do=chain&x=0").json() == 14


def test_an_error_arrives_as_its_own_class(front: Instance) -> None:
    assert front.get("/front?do=error&x=4").json() == {"half": 2}
    assert front.get("/front?do=error&x=3").json()["odd"] == 3


@pytest.mark.parametrize("method", ["count", "acount"])
def test_items_stream_through_a_handle(front: Instance, method: str) -> None:
    assert front.get(f"/front?do=stream&x=50&method={method}").json() == list(range(50))
    assert front.get(f"/front?do=stream&x=0&method={method}").json() == []


def test_large_arrays_go_both_ways(front: Instance) -> None:
    n = 500_000
    assert front.get(f"/front?do=array&x={n}").json() == n * (n - 1) / 2


def test_concurrent_calls_are_batched(front: Instance) -> None:
    before = len(front.get("/front?do=batches").json())
    assert front.get("/front?do=batch&x=12").json() == [2 * i for i in range(12)]
    sizes = front.get("/front?do=batches").json()[before:]
    assert sum(sizes) == 12 and max(sizes) == 8, sizes


def test_an_error_in_a_batch_reaches_each_caller(front: Instance) -> None:
    names = front.get("/front?do=bad_batch").json()
    assert len(names) == 2 and all("ValueError" in n for n in names)


def test_another_application_is_reached_by_its_handle(front: Instance) -> None:
    assert front.get("/front?do=other&app=adder&x=1").json() == 101
    assert front.text("/front?do=unknown_app").startswith("RayServeException: ")


def test_an_unknown_method_is_an_error_of_the_call(front: Instance) -> None:
    assert "RayServeException" in front.text("/front?do=unknown_method")


def test_an_application_without_a_prefix_has_no_route(front: Instance) -> None:
    assert front.get("/-/routes").json() == {"/front": "front", "/built": "built"}


def test_a_client_that_leaves_cancels_what_its_request_called(
    front: Instance, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    with socket.create_connection(("127.0.0.1", front.http_port)) as wire:
        wire.sendall(f"GET /front?do=wait&note={note} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        wait_for("the inner call to begin", lambda: note.exists() and "begun" in note.read_text())
    wait_for("the inner call to be cancelled", lambda: "cancelled" in note.read_text(), 5)
