# SPDX-License-Identifier: Apache-2.0
"""The wire protocol in plain Python, so that a test can play a router or a node (src/wire/messages.def)."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from pathlib import Path

END, MORE = 1, 2
PROXY, NODE = 8, 2
MAGIC = 0x3153534D

# name -> (number, fields); a field is one of B H I Q (struct's letters) or s (str or bytes)
MESSAGES = {
    "HELLO": (1, "IHHBQsss"),
    "PING": (2, "Q"),
    "PONG": (3, "Q"),
    "CONTROL": (50, "ss"),
    "DISPATCH_HTTP": (70, "IssssssssBsssss"),
    "DISPATCH_CALL": (71, "IsssssBs"),
    "CALL": (72, "sIssssBs"),
    "BODY": (73, "s"),
    "CREDIT": (74, "I"),
    "STARTED": (75, "I"),
    "HEAD": (76, "Hss"),
    "CHUNK": (77, "s"),
    "ERROR": (78, "Hss"),
    "CANCEL": (79, "H"),
    "LOOKUP": (80, "s"),
    "LOOKUP_RESULT": (81, "Bs"),
}
NAMES = {number: name for name, (number, _) in MESSAGES.items()}


@dataclass
class Frame:
    name: str
    flags: int
    stream: int
    fields: tuple


def pack(name: str, flags: int, stream: int, *values) -> bytes:
    number, types = MESSAGES[name]
    assert len(types) == len(values), name
    payload = b""
    for kind, value in zip(types, values, strict=True):
        if kind == "s":
            data = value.encode() if isinstance(value, str) else value
            payload += struct.pack("<I", len(data)) + data
        else:
            payload += struct.pack("<" + kind, value)
    return struct.pack("<IHHQ", len(payload), number, flags, stream) + payload


def unpack(name: str, payload: bytes) -> tuple:
    values, at = [], 0
    for kind in MESSAGES[name][1]:
        if kind == "s":
            (size,) = struct.unpack_from("<I", payload, at)
            values.append(payload[at + 4 : at + 4 + size])
            at += 4 + size
        else:
            values.append(struct.unpack_from("<" + kind, payload, at)[0])
            at += struct.calcsize("<" + kind)
    return tuple(values)


def headers_block(headers: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(
        struct.pack("<H", len(n)) + n + struct.pack("<I", len(v)) + v for n, v in headers
    )


def parse_headers(block: bytes) -> list[tuple[bytes, bytes]]:
    headers = []
    while block:
        (n,) = struct.unpack_from("<H", block)
        (v,) = struct.unpack_from("<I", block, 2 + n)
        headers.append((block[2 : 2 + n], block[6 + n : 6 + n + v]))
        block = block[6 + n + v :]
    return headers


class Peer:
    """A router or a node: one listener, one link at a time."""

    def __init__(self, session_dir: Path, name: str):
        self.role = PROXY if name == "router" else NODE
        folder = session_dir / "sockets"
        folder.mkdir(exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(folder / name))
        self.listener.listen()
        self.listener.settimeout(10)
        self.link: socket.socket | None = None
        self.buffer = b""
        self.hello: tuple = ()

    def accept(self) -> None:
        self.link, _ = self.listener.accept()
        self.link.settimeout(10)
        self.buffer = b""
        self.hello = self.expect("HELLO").fields
        self.send("HELLO", 0, 0, MAGIC, 1, 1, self.role, 1, "peer", "", "{}")

    def send(self, name: str, flags: int, stream: int, *values) -> None:
        self.link.sendall(pack(name, flags, stream, *values))

    def receive(self) -> Frame:
        while True:
            if len(self.buffer) >= 16:
                size, number, flags, stream = struct.unpack_from("<IHHQ", self.buffer)
                if len(self.buffer) >= 16 + size:
                    payload = self.buffer[16 : 16 + size]
                    self.buffer = self.buffer[16 + size :]
                    name = NAMES[number]
                    return Frame(name, flags, stream, unpack(name, payload))
            data = self.link.recv(1 << 16)
            if not data:
                raise EOFError("the extension closed the link")
            self.buffer += data

    def expect(self, name: str) -> Frame:
        frame = self.receive()
        assert frame.name == name, frame
        return frame

    def is_silent(self, for_s: float = 0.1) -> bool:
        self.link.settimeout(for_s)
        try:
            return not self.buffer and not self.link.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.link.settimeout(10)

    def http(self, rid: int, body: bytes = b"", complete: bool = True, **given) -> None:
        fields = {
            "timeout_ms": 0, "request_id": "id-1", "app": "text", "route_prefix": "/text",
            "multiplexed_model_id": "", "method": "POST", "path": "/text/ä", "raw_path": "/text/%C3%A4",
            "query": "a=1", "http_minor": 1, "client": "10.0.0.7:5555", "server": "127.0.0.1:8000",
            "root_path": "/text",
            "headers": headers_block([(b"host", b"h"), (b"x-own", b"\xff")]),
        } | given  # fmt: skip
        self.send("DISPATCH_HTTP", END if complete else 0, rid, *fields.values(), body)

    def cut(self) -> None:
        self.link.close()
        self.link = None

    def close(self) -> None:
        if self.link:
            self.cut()
        self.listener.close()
