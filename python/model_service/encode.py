# SPDX-License-Identifier: Apache-2.0
"""What a plain deployment returns, as an HTTP answer (contracts, ray-python-api §4.3).

FastAPI's encoder is loaded only for values that plain JSON cannot say.
"""

from __future__ import annotations

import json
import sys
from typing import Any

Headers = list[tuple[bytes, bytes]]

TEXT: Headers = [(b"content-type", b"text/plain")]
UTF8_TEXT: Headers = [(b"content-type", b"text/plain; charset=utf-8")]
JSON: Headers = [(b"content-type", b"application/json")]


class _NotPlain(Exception):
    """The value holds something that plain JSON does not know."""


def _refuse(value: Any) -> Any:
    raise _NotPlain


_plain = json.JSONEncoder(separators=(",", ":"), default=_refuse).encode


def encode(value: Any) -> tuple[Headers, bytes]:
    """Headers and body for a returned value that is no Response.

    Raises what the encoder raises for a value that has no JSON form (the answer is then 500), TypeError for a generator.
    """
    kind = type(value)
    if kind is bytes:
        return TEXT, value
    if kind is str:
        return UTF8_TEXT, value.encode()
    if value is None:
        return TEXT, b""
    if isinstance(value, bytes):
        return TEXT, bytes(value)
    if isinstance(value, str):
        return UTF8_TEXT, str(value).encode()
    try:
        text = _plain(value)
    except (_NotPlain, TypeError, ValueError):
        text = _encode_rich(value)
    return JSON, text.encode()


def _encode_rich(value: Any) -> str:
    if hasattr(value, "__next__") or hasattr(value, "__anext__"):
        raise TypeError(
            "A deployment returned a generator over HTTP; wrap it in a starlette.responses.StreamingResponse."
        )
    from fastapi.encoders import jsonable_encoder

    return json.dumps(
        jsonable_encoder(value, custom_encoder=_custom_encoders()), separators=(",", ":")
    )


def _custom_encoders() -> dict[type, Any]:
    """Encoders beyond FastAPI's own, for the libraries that are loaded."""
    encoders: dict[type, Any] = {Exception: str}
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        encoders[numpy.ndarray] = _encode_array
        encoders[numpy.generic] = lambda scalar: scalar.item()
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        encoders[pandas.DataFrame] = lambda frame: frame.to_dict(orient="records")
    return encoders


def _encode_array(array: Any) -> Any:
    """Nested lists of Python numbers; what NumPy holds as objects is encoded one by one."""
    if array.dtype.kind == "f":
        array = array.astype(float)
    elif array.dtype.kind in "iu":
        array = array.astype(int)
    elif array.dtype.kind == "O":
        return [json.loads(_encode_rich(item)) for item in array]
    return array.tolist()
