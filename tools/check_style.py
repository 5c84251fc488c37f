#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of CONTRIBUTING.md that no compiler keeps: sizes, nesting, funnels, banned and raw calls, headings."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_FILE_LINES, WARN_FILE_LINES, MAX_FUNCTION_LINES, MAX_NESTING = 800, 500, 80, 4
BANNED = re.compile(
    r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|strtok|gets|atoi|system|popen|alloca|usleep)\s*\("
)
RAW = re.compile(
    r"(?<![\w.>])(read|write|readv|writev|poll|ppoll|send|recv|sendmsg|recvmsg|sendto|recvfrom|accept4?|epoll_wait)\s*\("
)
MAY_USE_RAW = ("src/io/", "src/base/log.c", "src/init/", "tests/", "bench/")
STATE = re.compile(r"(?:->|\.)state = ")
STEERING = re.compile(r"(if|for|while|switch|do|else)\b|[A-Z_]+_FOREACH")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def strip_comments(text: str) -> str:
    """Blanks comments and string contents, keeping the lines."""

    def blank(match: re.Match) -> str:
        return re.sub(r"[^\n]", " ", match[0]) if match[0][0] == "/" else match[0][0] + match[0][0]

    return re.sub(
        r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S
    )


def functions(lines: list[str]) -> list[tuple[str, int, int]]:
    """(name, first line, last line), by the house's layout: the braces of a function stand in column 0."""
    found, start = [], None
    for number, line in enumerate(lines):
        if line.startswith("{") and number > 0:
            start = number
        elif line.startswith("}") and start is not None:
            above = " ".join(lines[max(0, start - 4) : start])
            names = re.findall(r"(\w+)\s*\(", above.split(";")[-1].split("}")[-1])
            found.append((names[0] if names else "?", start, number))
            start = None
    return found


def check_c(path: Path, name: str) -> list[str]:
    text = path.read_text()
    lines = strip_comments(text).splitlines()
    is_test = path.stem.endswith(("_test", "_fuzz", "_testing"))
    wrong = []
    heading = re.match(r"/\* SPDX[^\n]*\n(?:#[^\n]*\n|\s)*/\*(.*?)\*/", text, re.S)
    if path.suffix == ".h" and not (heading and len(heading[1]) >= 60):
        wrong.append(
            f"{name}:2: a header begins with a paragraph: what it is, who uses it, what it never does"
        )
    funnels = set()
    for function, start, end in functions(lines):
        if end - start - 1 > MAX_FUNCTION_LINES:
            wrong.append(
                f"{name}:{start + 1}: {function}() has {end - start - 1} lines (at most {MAX_FUNCTION_LINES})"
            )
        for number in range(start, end):
            line = lines[number]
            indent = len(line) - len(line.lstrip(" "))
            if indent > MAX_NESTING * 4 and STEERING.match(line.lstrip("} ")):
                wrong.append(f"{name}:{number + 1}: nested more than {MAX_NESTING} deep")
            if STATE.search(line) and not function.endswith(("_init", "_new")):
                funnels.add(function)
    if len(funnels) > 1 and not is_test:
        wrong.append(f"{name}: state changes in {', '.join(sorted(funnels))}: let one funnel do it")
    for number, line in enumerate(lines, 1):
        if not is_test and (match := BANNED.search(line)):
            wrong.append(f"{name}:{number}: {match[1]}() is banned")
        if not name.startswith(MAY_USE_RAW) and not is_test and (match := RAW.search(line)):
            wrong.append(f"{name}:{number}: {match[1]}() belongs to io")
    return wrong


def main() -> int:
    wrong, warnings, n_files = [], [], 0
    for path in tracked():
        name = str(path.relative_to(ROOT))
        if path.suffix not in (".c", ".h", ".def", ".py", ".sh") or "/corpus/" in name:
            continue
        n_files += 1
        lines = path.read_text().splitlines()
        if lines and not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:2]):
            wrong.append(f"{name}:1: no SPDX line")
        if len(lines) > MAX_FILE_LINES:
            wrong.append(f"{name}: {len(lines)} lines (at most {MAX_FILE_LINES})")
        elif len(lines) > WARN_FILE_LINES:
            warnings.append(f"note: {name} has {len(lines)} lines (aim: {WARN_FILE_LINES})")
        if path.suffix in (".c", ".h"):
            wrong += check_c(path, name)
    print("\n".join(warnings + wrong + [f"{n_files} files, {len(wrong)} wrong"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
