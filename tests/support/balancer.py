"""HAProxy as an AWS Application Load Balancer would be: what dockbox must get along with."""

from __future__ import annotations

import contextlib
import csv
import signal
import socket
import subprocess
from itertools import count

from .api import Api
from .processes import end, free_port, launch, program
from .run import Run
from .server import Server
from .waiting import eventually

# Round robin, HTTP checks of /health, 60 s without a byte end a connection, connections to the
# servers are used again, and a request that one server has refused is not given to another.
CONFIG = """
global
    stats socket {folder}/admin level admin
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
    timeout check 2s
    retries 0
    http-reuse always
frontend all
    bind 127.0.0.1:{port}
    default_backend servers
backend servers
    balance roundrobin
    option httpchk GET /health
    http-check expect status 200
"""
CHECK = "check inter 300ms fall 2 rise 1"


class Balancer(Api):
    """Knows servers by a name that it gives to each."""

    def __init__(self, run: Run, name: str = "balancer") -> None:
        super().__init__(free_port())
        self._run = run
        self._folder = run.folder / f"{name}-{self.port}"
        self._numbers = count(1)
        self._names: dict[int, str] = {}  # by the server's port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._folder.mkdir()
        config, log = self._folder / "config", self._folder / "log"
        config.write_text(CONFIG.format(folder=self._folder, port=self.port))
        command = [program("haproxy", "haproxy"), "-db", "-f", str(config)]
        self._process = launch(command, log, self._run.environment())

        def answers() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"haproxy ended at once:\n{log.read_text()}")
            with contextlib.suppress(OSError):
                return bool(self._tell("show info"))
            return False

        eventually(answers, 20, "an answer of HAProxy")

    def close(self) -> None:
        self.hang_up()
        if self._process:
            end(self._process, signal.SIGTERM, 10)
            self._process = None

    # --- its servers ----------------------------------------------------------------------

    def add(self, server: Server) -> None:
        """Give it a share of the requests, once it is healthy."""
        name = self._names[server.port] = f"s{next(self._numbers)}"
        self._tell(f"add server servers/{name} 127.0.0.1:{server.port} {CHECK}")
        self._tell(f"enable health servers/{name}")
        self._tell(f"enable server servers/{name}")

    def drain(self, server: Server) -> None:
        """No new connections; those that there are stay, as while an ALB deregisters a target."""
        self._tell(f"set server servers/{self._names[server.port]} state drain")

    def forget(self, server: Server) -> None:
        """It is gone, or soon will be."""
        self._tell(f"set server servers/{self._names.pop(server.port)} state maint")

    def wait_for(self, server: Server, *states: str, timeout: float = 30) -> None:
        """Wait until it is ``UP``, ``DOWN`` or ``DRAIN``."""
        what = f"the server at {server.port} {' or '.join(states)}"
        eventually(lambda: self._stat(server)["status"] in states, timeout, what)

    def served(self, server: Server) -> int:
        """How many requests it has got."""
        return int(self._stat(server)["stot"])

    def _stat(self, server: Server) -> dict[str, str]:
        lines = self._tell("show stat").removeprefix("# ").splitlines()
        wanted = self._names[server.port]
        return next(row for row in csv.DictReader(lines) if row["svname"] == wanted)

    def _tell(self, command: str) -> str:
        """A command to HAProxy's own socket; its answer."""
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(10)
            admin.connect(f"{self._folder}/admin")
            admin.sendall(f"{command}\n".encode())
            answer = b"".join(iter(lambda: admin.recv(65536), b"")).decode().strip()
        if not command.startswith("show") and answer and "registered" not in answer:
            raise RuntimeError(f"HAProxy does not want to {command}: {answer}")
        return answer
