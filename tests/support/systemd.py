"""What systemd does for dockbox.service: it holds the port, and waits to be told of the start."""

from __future__ import annotations

import re
import socket
from contextlib import suppress

from .processes import launch
from .run import ROOT
from .server import Server
from .waiting import eventually

# the socket is the descriptor 3 of a process that finds its own number in LISTEN_PID
HANDED = 'exec 3<&"$0"; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'


class Service(Server):
    """A server with the socket of dockbox.socket and the ``Type=notify`` of dockbox.service.

    ``told`` is all that systemd would have been told since the last start.
    """

    listener: socket.socket | None = None
    told: tuple[str, ...] = ()

    def start(self, timeout: float = 30) -> None:
        """As ``systemctl start``: returns when it says that it is ready."""
        self.listener = self.listener or self._listen()
        at = self.log_file.with_suffix(".notify")
        at.unlink(missing_ok=True)
        self.told = ()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.bind(str(at))
            notified.setblocking(False)
            number = self.listener.fileno()
            self.process = launch(
                ["bash", "-c", HANDED, str(number), *self.command()], self.log_file,
                self._run.environment(**self.settings, NOTIFY_SOCKET=str(at)), ROOT,
                files=[number],
            )  # fmt: skip
            eventually(lambda: self._ready(notified), timeout, f"READY=1\n{self.log_file}")

    def _ready(self, notified: socket.socket) -> bool:
        with suppress(BlockingIOError):
            while True:
                self.told += tuple(notified.recv(4096).decode().splitlines())
        if "READY=1" in self.told:
            return True
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"the server ended at once:\n{self.log()}")
        return False

    def _listen(self) -> socket.socket:
        unit = (ROOT / "deploy/dockbox.socket").read_text()
        options = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", self.port))
        held.listen(int(options["Backlog"]))
        return held

    def release(self) -> None:
        """As ``systemctl stop dockbox.socket``."""
        if self.listener:
            self.listener.close()
            self.listener = None
