"""The naive peer as a server beside dockbox, and what a worker has used."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import requests

from tests.support.processes import launch
from tests.support.run import ROOT
from tests.support.server import Server
from tests.support.waiting import eventually

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Naive(Server):
    """naive.py under the same gunicorn, worker class and number of workers."""

    def start(self, timeout: float = 30) -> None:
        command = [
            str(Path(sys.executable).with_name("gunicorn")), "--workers", "1",
            "--worker-class", "gevent", "--worker-connections", "10000", "--no-control-socket",
            "--bind", f"127.0.0.1:{self.port}", "tests.bench.naive:app",
        ]  # fmt: skip
        environment = self._run.environment(**self.settings)
        self.process = launch(command, self.log_file, environment, ROOT)
        eventually(self._answers, timeout, f"an answer of the naive peer\n{self.log_file}")

    def _answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return bool(self.get("/", timeout=2).status_code == 404)  # it has no such page
        return False


def cpu(pid: int) -> float:
    """Seconds that a process has computed so far, in the kernel too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss(pid: int) -> float:
    """A process's resident memory in kB (1,000 bytes)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1000
