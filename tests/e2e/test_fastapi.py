# SPDX-License-Identifier: Apache-2.0
"""FastAPI under a route prefix."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from instance import Instance


@pytest.fixture(scope="module")
def shop(shared: Instance) -> Instance:
    shared.deploy({"name": "shop", "route_prefix": "/shop", "import_path": "rest:app"})
    return shared


def test_routes_of_the_class_see_their_replica(shop: Instance) -> None:
    made = shop.post("/shop/items/3", json={"name": "tile"})
    assert (made.status_code, made.json()) == (201, {"name": "tile", "price": 1.0})
    assert shop.get("/shop/items/3").json()["name"] == "tile"


def test_routes_outside_the_class_answer(shop: Instance) -> None:
    assert shop.get("/shop/outside").json() == "outside"


def test_validation_and_http_errors_are_fastapis(shop: Instance) -> None:
    assert shop.post("/shop/items/x", json={"name": "a"}).status_code == 422
    missing = shop.get("/shop/items/77")
    assert (missing.status_code, missing.json()) == (404, {"detail": "no such item"})
    assert shop.post("/shop/outside").status_code == 405
    assert (shop.get("/shop/boom").status_code, shop.get("/shop/boom").text) == (
        500,
        "Internal Server Error",
    )


def test_dependencies_are_resolved(shop: Instance) -> None:
    assert shop.get("/shop/token", headers={"x-token": "abc"}).json() == "abc"


def test_the_lifespan_ran_before_the_first_request(shop: Instance) -> None:
    assert shop.get("/shop/").json()["is_up"] is True


def test_docs_work_under_the_prefix(shop: Instance) -> None:
    assert "/shop/openapi.json" in shop.text("/shop/docs")
    assert "/items/{number}" in shop.get("/shop/openapi.json").json()["paths"]
    assert shop.application("shop")["docs_path"] == "/docs"


def test_a_streaming_response_streams(shop: Instance) -> None:
    assert shop.text("/shop/stream") == "0,1,2,3,"


def test_an_endpoint_may_batch(shop: Instance) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: shop.get(f"/shop/square?value={i}").json(), range(8)))
    assert answers == [i * i for i in range(8)]
