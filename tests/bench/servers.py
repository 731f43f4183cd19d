"""The peers as servers beside dockbox, and what a process has used."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import requests

from tests.support.processes import children, launch, program
from tests.support.run import ROOT
from tests.support.server import Server
from tests.support.waiting import eventually

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Peer(Server):
    """A server that is no dockbox, but is started and ended like one."""

    @property
    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self, timeout: float = 30) -> None:
        environment = self._run.environment(**self.settings)
        self.process = launch(self.command, self.log_file, environment, ROOT)
        eventually(self._answers, timeout, f"an answer of a peer\n{self.log_file}")

    def _answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return bool(self.get("/", timeout=2).status_code >= 400)  # none has such a page
        return False


class Naive(Peer):
    """naive.py under the same gunicorn, worker class and number of workers."""

    @property
    def command(self) -> list[str]:
        return [
            str(Path(sys.executable).with_name("gunicorn")), "--workers", "1",
            "--worker-class", "gevent", "--worker-connections", "10000", "--no-control-socket",
            "--bind", f"127.0.0.1:{self.port}", "tests.bench.naive:app",
        ]  # fmt: skip


class Terminado(Peer):
    """terminals.py, one process and a ``docker attach`` for each container."""

    @property
    def command(self) -> list[str]:
        docker, engine = program("docker", "docker.io"), self.settings["DOCKER_SERVER_HOST"]
        return [sys.executable, "-m", "tests.bench.terminals", str(self.port), docker, engine]


class Websockify(Peer):
    """The relay as it is installed, in front of the engine's socket; a process a connection."""

    @property
    def command(self) -> list[str]:
        relay = str(Path(sys.executable).with_name("websockify"))
        engine = self.settings["DOCKER_SERVER_HOST"].removeprefix("unix://")
        return [relay, f"--unix-target={engine}", f"127.0.0.1:{self.port}"]


def cpu(pid: int) -> float:
    """Seconds that a process has computed so far, in the kernel too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_of_all(pid: int) -> float:
    """The same of a process and its children, those that have ended too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ended = (int(fields[13]) + int(fields[14])) / TICKS
    return cpu(pid) + ended + sum(map(cpu, children(pid)))


def rss(pid: int) -> float:
    """A process's resident memory in kB (1,000 bytes)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1000
