#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tidy.py BUILD-DIR: clang-tidy over src/ and python/ext/, skipping what has not changed since it was clean.

"Not changed" is judged by content: the file, the headers of ours that it reaches, and .clang-tidy.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLEAN = ROOT / "build" / "tidy"


@cache
def reached(path: Path) -> frozenset[Path]:
    found = {path}
    for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', path.read_text(errors="replace"), re.M):
        for folder in (ROOT / "src", path.parent):
            if (folder / name).exists():
                found |= reached(folder / name)
                break
    return frozenset(found)


def key(path: Path) -> str:
    digest = hashlib.sha256(
        (ROOT / ".clang-tidy").read_bytes() + str(path.relative_to(ROOT)).encode()
    )
    for part in sorted(reached(path)):
        digest.update(part.read_bytes())
    return digest.hexdigest()[:32]


def tidy(build_dir: str, path: Path) -> tuple[Path, str]:
    done = subprocess.run(
        ["clang-tidy-14", "--quiet", "-p", build_dir, str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return path, done.stdout if done.returncode else ""


def main() -> int:
    build_dir = sys.argv[1]
    CLEAN.mkdir(parents=True, exist_ok=True)
    commands = json.loads((Path(build_dir) / "compile_commands.json").read_text())
    paths = {(Path(c["directory"]) / c["file"]).resolve() for c in commands}
    paths = sorted(
        p for p in paths if p.is_relative_to(ROOT / "src") or p.is_relative_to(ROOT / "python")
    )
    keys = {p: key(p) for p in paths}
    todo = [p for p in paths if not (CLEAN / keys[p]).exists()]
    n_bad = 0
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        for path, said in pool.map(lambda p: tidy(build_dir, p), todo):
            if said:
                n_bad += 1
                print(said)
            else:
                (CLEAN / keys[path]).touch()
    print(f"clang-tidy: {len(paths)} files, {len(todo)} looked at, {n_bad} with findings")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
