# SPDX-License-Identifier: Apache-2.0
"""The table of returned values (contracts, ray-python-api §4.3)."""

import dataclasses
import datetime
import decimal
import enum
import json
import subprocess
import sys
import uuid

import numpy as np
import pytest
from model_service.encode import encode
from pydantic import BaseModel


class Color(enum.Enum):
    RED = "red"


class Model(BaseModel):
    a: int
    when: datetime.date


@dataclasses.dataclass
class Point:
    x: int
    y: float


@pytest.mark.parametrize(
    ("value", "content_type", "body"),
    [
        (b"raw", "text/plain", b"raw"),
        ("čau", "text/plain; charset=utf-8", "čau".encode()),
        (None, "text/plain", b""),
        (1, "application/json", b"1"),
        (1.5, "application/json", b"1.5"),
        (True, "application/json", b"true"),
        ((1, "a", None), "application/json", b'[1,"a",null]'),
        ({"a": [1, {"b": 2}]}, "application/json", b'{"a":[1,{"b":2}]}'),
        ({1: "č"}, "application/json", b'{"1":"\\u010d"}'),
        (Color.RED, "application/json", b'"red"'),
        (Model(a=1, when=datetime.date(2025, 1, 2)), "application/json", b'{"a":1,"when":"2025-01-02"}'),
        (Point(1, 2.0), "application/json", b'{"x":1,"y":2.0}'),
        ({3}, "application/json", b"[3]"),
        (decimal.Decimal("1.5"), "application/json", b"1.5"),
        (uuid.UUID(int=1), "application/json", b'"00000000-0000-0000-0000-000000000001"'),
        ([b"text"], "application/json", b'["text"]'),
        (np.array([[1, 2]], dtype=np.uint8), "application/json", b"[[1,2]]"),
        (np.array([0.5], dtype=np.float32), "application/json", b"[0.5]"),
        ({"n": np.int64(3), "f": np.float32(0.5)}, "application/json", b'{"n":3,"f":0.5}'),
        ([np.bool_(True)], "application/json", b"[true]"),
        (ValueError("bad"), "application/json", b'"bad"'),
    ],
)  # fmt: skip
def test_each_kind_of_value_has_its_answer(value, content_type, body):
    headers, data = encode(value)
    assert (headers, data) == ([(b"content-type", content_type.encode())], body)


@pytest.mark.parametrize("value", [object(), [object()], (i for i in "ab")])
def test_what_has_no_json_form_is_an_error(value):
    with pytest.raises((TypeError, ValueError)):
        encode(value)


def test_plain_values_do_not_load_fastapi():
    program = """
import sys
from ray import serve
from model_service.encode import encode
@serve.deployment(num_replicas=2, max_ongoing_requests=3, ray_actor_options={"num_cpus": 0.5})
def f(): return b"x"
f.bind()
encode(b"x"), encode("x"), encode({"a": [1]})
import json
print(json.dumps(sorted({"fastapi", "starlette", "pydantic", "numpy"} & set(sys.modules))))
"""
    assert (
        json.loads(
            subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
        )
        == []
    )
