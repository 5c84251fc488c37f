#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The law of the layers: what a folder of src/ may include is what its row in src/meson.build says.

Also: a module's file exists and every file has a row, rows name all that they use (so that the linker agrees),
siblings never include each other, thing_priv.h stays with thing*.c, and the pure layers see no clock or socket.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

# The law itself (ARCHITECTURE.md has it as a table): a row in src/meson.build may use less, never more.
LAW = {
    "base": "",
    "io": "base",
    "http": "io",
    "wire": "io",
    "spec": "base",
    "policy": "spec",
    "router": "spec",
    "init": "wire",
    "node": "wire http spec",
    "proxy": "http wire router",
    "replica": "wire",
    "controller": "http wire policy",
    "cli": "http wire spec",
}
PURE = {"policy", "router", "spec"}
IMPURE_HEADERS = {
    "time.h", "sys/time.h", "sys/socket.h", "sys/epoll.h", "unistd.h", "poll.h", "netinet/in.h", "fcntl.h",
}  # fmt: skip
GENERATED = {"build_config.h"}
# One file may look outside its folder's row, with the reason why.
EXCEPTIONS: dict[tuple[str, str], str] = {}


def closure(layer: str) -> set[str]:
    below: set[str] = set()
    for other in LAW[layer].split():
        below |= {other} | closure(other)
    return below


def read_table() -> dict[str, tuple[list[str], list[str]]]:
    text = (SRC / "meson.build").read_text()
    body = re.search(r"^layers = \{(.*?)^\}", text, re.S | re.M)
    if not body:
        sys.exit("src/meson.build: no table named 'layers'")
    rows = re.findall(r"'(\w+)':\s*\[\[(.*?)\],\s*\[(.*?)\]", body[1], re.S)
    return {
        name: (re.findall(r"'(\w+)'", mods), re.findall(r"'(\w+)'", uses))
        for name, mods, uses in rows
    }


def includes(path: Path) -> list[tuple[int, bool, str]]:
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line):
            found.append((number, match[1] == '"', match[2]))
    return found


def check_include(path: Path, layer: str, quoted: bool, name: str) -> str | None:
    is_test = path.stem.endswith(("_test", "_fuzz"))
    if not quoted:
        if layer in PURE and name in IMPURE_HEADERS and not is_test:
            return f"{layer} is pure: it may not include <{name}>"
        return None
    if name in GENERATED:
        return None
    target = (SRC / name) if (SRC / name).exists() else (path.parent / name)
    if not target.exists():
        return (
            None if is_test else f'"{name}" is not a header of src/ (libraries are included in <>)'
        )
    if target.parent == SRC:
        return None
    other = (
        target.resolve().relative_to(SRC).parts[0]
        if target.resolve().is_relative_to(SRC)
        else layer
    )
    if (
        other != layer
        and other not in closure(layer)
        and (str(path.relative_to(SRC)), other) not in EXCEPTIONS
    ):
        return f"{layer} may not include {other} (see the table of layers)"
    owner = target.stem.removesuffix("_priv")
    if owner != target.stem and owner != layer and not path.stem.startswith(owner):
        return f"{name} is only for {owner}*.c"
    return None


def check_rows(table: dict[str, tuple[list[str], list[str]]]) -> list[str]:
    wrong = []
    for layer, (modules, uses) in table.items():
        if layer not in LAW:
            wrong.append(
                f"src/meson.build: layer {layer!r} is not in the law (tools/check_layers.py)"
            )
            continue
        for other in uses:
            if other not in closure(layer):
                wrong.append(f"src/meson.build: {layer} may not use {other}")
            wrong += [
                f"src/meson.build: {layer} uses {other}, so its row must name {below} too"
                for below in table.get(other, ([], []))[1]
                if below not in uses
            ]
        files = {
            p.stem for p in (SRC / layer).glob("*.c") if not p.stem.endswith(("_test", "_fuzz"))
        }
        wrong += [
            f"src/meson.build: {layer}/{m}.c does not exist" for m in modules if m not in files
        ]
        wrong += [
            f"src/{layer}/{m}.c has no row in src/meson.build" for m in sorted(files - set(modules))
        ]
    return wrong


def main() -> int:
    table = read_table()
    wrong = check_rows(table)
    for path in sorted(SRC.glob("*/*.[ch]")) + sorted(SRC.glob("*/*.def")):
        layer = path.parent.name
        if layer not in LAW:
            wrong.append(f"{path.relative_to(ROOT)}: folder {layer!r} is not a layer")
            continue
        for number, quoted, name in includes(path):
            if said := check_include(path, layer, quoted, name):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {said}")
    # The Python extension is a program of its own: it may use replica and what that uses.
    for path in sorted((ROOT / "python" / "ext").glob("*.[ch]")):
        for number, quoted, name in includes(path):
            layer = name.split("/")[0]
            if (
                quoted
                and "/" in name
                and layer in LAW
                and layer not in closure("replica") | {"replica"}
            ):
                wrong.append(
                    f"{path.relative_to(ROOT)}:{number}: the extension may not include {layer}"
                )
    print("\n".join(wrong) if wrong else f"{len(table)} layers keep the law")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
