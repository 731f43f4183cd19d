"""What groups of processes take: memory that they do not share, and processor time."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.postgres import Postgres
from tests.support.processes import descendants, with_environment
from tests.support.run import MARK, Run
from tests.support.server import Server

from .servers import cpu

SERVER, ENGINE, SHIMS, BOXES, DATABASE, CLIENTS = (
    "server", "Docker", "shims", "boxes", "database", "clients"
)  # fmt: skip
MB = 1000**2


class Footprint:
    """The processes of a run, in groups by what they are for."""

    def __init__(self, run: Run, server: Server, postgres: Postgres) -> None:
        self._run, self._server, self._postgres = run, server, postgres

    def groups(self) -> dict[str, set[int]]:
        """The ids of all processes of each group, at this moment."""
        ours = descendants([self._server.process.pid]) if self._server.process else set()
        marked = with_environment(f"{MARK}={self._run.folder}") - ours
        names = {pid: _name(pid) for pid in marked}
        shims = {pid for pid, name in names.items() if name.startswith("containerd-shim")}
        return {
            SERVER: ours,
            ENGINE: {pid for pid, name in names.items() if name in ("dockerd", "containerd")},
            SHIMS: shims,
            BOXES: descendants(shims) - shims,
            DATABASE: descendants([self._postgres.pid]),
            CLIENTS: {os.getpid()},
        }

    def memory(self) -> dict[str, float]:
        """Megabytes of each group, with its part of what it shares (PSS)."""
        return {name: sum(map(_pss, pids)) / MB for name, pids in self.groups().items()}

    def cpu(self) -> dict[str, float]:
        """Seconds that each group has computed so far; those that have ended are forgotten."""
        return {name: sum(map(_cpu, pids)) for name, pids in self.groups().items()}

    @contextmanager
    def load(self) -> Iterator[dict[str, float]]:
        """Filled at the end: processors that each group has used meanwhile, 1.0 is a whole one."""
        found: dict[str, float] = {}
        before, start = self.cpu(), time.perf_counter()
        yield found
        seconds, after = time.perf_counter() - start, self.cpu()
        found |= {name: max(0.0, after[name] - before[name]) / seconds for name in after}


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _pss(pid: int) -> float:
    """Bytes; 0 for one that has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _cpu(pid: int) -> float:
    with contextlib.suppress(OSError):
        return cpu(pid)
    return 0.0
