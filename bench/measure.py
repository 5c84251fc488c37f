# SPDX-License-Identifier: Apache-2.0
"""CPU time and memory of a whole process tree, and of everybody else, read from /proc.

A server is started below a subreaper, so that what it daemonises stays in the tree.  Times are in
seconds of CPU, memory in bytes of PSS (shared pages are divided among those that share them).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Orphans among our descendants become our children instead of init's."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _stat(pid: int) -> tuple[int, float, float] | None:
    """(parent, own CPU seconds, CPU seconds of its reaped children)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    own = (int(fields[11]) + int(fields[12])) / TICK
    reaped = (int(fields[13]) + int(fields[14])) / TICK
    return int(fields[1]), own, reaped


def _schedule_seconds(pid: int) -> float | None:
    """CPU of all threads in nanosecond precision where the kernel tells it."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            total += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return total / 1e9


def tree(root: int) -> list[int]:
    """The processes below 'root', without it."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (stat := _stat(int(name))):
            children.setdefault(stat[0], []).append(int(name))
    found: list[int] = []
    queue = list(children.get(root, []))
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue.extend(children.get(pid, []))
    return found


def cpu_seconds(pids: list[int]) -> float:
    """CPU of these processes and of the children they have reaped."""
    total = 0.0
    for pid in pids:
        if stat := _stat(pid):
            precise = _schedule_seconds(pid)
            total += (stat[1] if precise is None else precise) + stat[2]
    return total


def machine_busy_seconds() -> float:
    """CPU that anybody used since boot."""
    user, nice, system, _idle, _wait, irq, soft, *_ = (
        int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + soft) / TICK


def pss_bytes(pids: list[int]) -> int:
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(x.split()[1]) for x in text.splitlines() if x.startswith("Pss:"))
    return total * 1024


@dataclass
class Usage:
    """What a server's tree and the rest of the machine used between two moments."""

    wall_s: float
    server_s: float
    machine_s: float


class Meter:
    """Counts from its making until stop()."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.pids = tree(root)
        self.wall = time.monotonic()
        self.server = cpu_seconds(self.pids)
        self.machine = machine_busy_seconds()

    def stop(self) -> Usage:
        pids = tree(self.root)
        return Usage(
            time.monotonic() - self.wall,
            cpu_seconds(pids) - self.server,
            machine_busy_seconds() - self.machine,
        )


def stop_tree(root: int, process: subprocess.Popen[bytes]) -> None:
    """Ends everything below 'root': politely, then not."""
    for how, patience in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
        for pid in tree(root):
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                pass
        end = time.monotonic() + patience
        while tree(root) and time.monotonic() < end:
            process.poll()
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pass
            time.sleep(0.05)
        if not tree(root):
            return
