"""What is measured, started side by side: an engine, dockbox, its peers, a git site."""

from __future__ import annotations

import shutil
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.support import images
from tests.support.engine import Engine
from tests.support.postgres import Postgres
from tests.support.run import Run
from tests.support.server import Server
from tests.support.site import Site

from .client import Address
from .report import DIRECT, DOCKBOX, NAIVE, PEERS, TERMINADO, WEBSOCKIFY
from .servers import Naive, Peer, Terminado, Websockify

SERVERS = (DOCKBOX, NAIVE)  # whose CPU and memory are those of one worker
TARGETS = (DOCKBOX, DIRECT, *PEERS)
KINDS: dict[str, type[Peer]] = {NAIVE: Naive, TERMINADO: Terminado, WEBSOCKIFY: Websockify}
STREAM = "stream=1&stdin=1&stdout=1&stderr=1"


@dataclass(frozen=True)
class Box:
    """A dockbox; ``files`` is its /app on the host."""

    id: str
    container: str
    files: Path


class Rig:
    """Everything that runs; ``close`` ends all of it."""

    def __init__(self) -> None:
        self._ends = ExitStack()
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        self.run = Run()
        self._ends.callback(self.run.close)
        self.engine = Engine(self.run)
        self._ends.callback(self.engine.close)
        self.engine.start()
        self.engine.import_image(images.BASH)
        self.site = Site(self.run.folder / "site")
        self._ends.callback(self.site.close)
        table = self.run.folder / "images.toml"
        table.write_text(f'default = "{images.BASH}"\n')
        database = {
            "DATABASE_NAME": str(self.run.folder / "bench"),
            **dict.fromkeys(
                (f"DATABASE_{part}" for part in ("HOST", "PORT", "USER", "PASSWORD")), ""
            ),
        }
        self.dockbox = Server(
            self.run, self.run.folder, self.engine.url, database,
            images_file=table, private_sources="127.0.0.0/8",
            web_concurrency=1,  # so that one process's CPU and memory are the server's
            idle_timeout=3600,  # nothing is to be stopped in the middle of a row
            access_log="",
            max_box_connections=10_000,  # counted as ever, but never too many
        )  # fmt: skip
        self.servers: dict[str, Server] = {
            DOCKBOX: self.dockbox,
            **{
                n: kind(self.run, self.run.folder, self.engine.url, {}) for n, kind in KINDS.items()
            },
        }
        for server in self.servers.values():
            self._ends.callback(server.stop)
            server.start()

    def close(self) -> None:
        """End everything; a second Ctrl-C must not leave half of it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._ends.close()

    @cached_property
    def postgres(self) -> Postgres:
        """Started when the first step needs it."""
        started = Postgres(self.run)
        self._ends.callback(started.stop)
        started.start()
        return started

    def worker(self, target: str) -> int:
        """The process id of a server's only worker."""
        return self.servers[target].worker_pids()[0]

    def logs(self) -> str:
        """What the servers said last, for a run that failed."""
        return "\n".join(f"{name}: {server.log()[-3000:]}" for name, server in self.servers.items())

    # --- dockboxes ------------------------------------------------------------------------

    def box(self, url: str) -> Box:
        found = self.dockbox.create(url)
        return Box(found["id"], found["container_id"], self.dockbox.mount / found["id"])

    def stop(self, box: Box) -> None:
        """Stop it, and wait until dockbox says that it has stopped."""
        self.dockbox.post(f"/v1/dockbox/{box.id}/stop")
        self.dockbox.wait_state(box.id, "stopped")

    def delete(self, box: Box) -> None:
        self.dockbox.delete(f"/v1/dockbox/{box.id}")

    def address(self, target: str, box: Box, logs: bool = False) -> Address:
        """The terminal of the same container: through dockbox, dockerd's own or a peer.

        With ``logs``, dockerd sends the recent output first; dockbox and terminado always do.
        """
        if target == DIRECT:
            return self.direct(box.container, logs)
        server = ("127.0.0.1", self.servers[target].port)
        if target == WEBSOCKIFY:  # a relay: its client asks dockerd for the attach by itself
            return Address(server, "/", opening=attach(box.container, logs))
        path = f"/v1/dockbox/ws/{box.id}" if target == DOCKBOX else f"/terminal/{box.container}"
        return Address(server, path, wrapped=target == TERMINADO)

    def direct(self, container: str, logs: bool = False) -> Address:
        """dockerd's own WebSocket, over its Unix socket: no proxy is in between."""
        path = f"/v1.41/containers/{container}/attach/ws?{STREAM}&logs={int(logs)}"
        return Address(self.engine.url.removeprefix("unix://"), path)

    def wait(self, seconds: float) -> None:
        """Let what was just closed be tidied up, so that it is not paid for by the next."""
        time.sleep(seconds)

    def folder(self, name: str) -> Path:
        """An empty folder."""
        made = self.run.folder / name
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        return made


def attach(container: str, logs: bool) -> str:
    """The request after which a connection to dockerd is the container's terminal."""
    path = f"/v1.41/containers/{container}/attach?{STREAM}&logs={int(logs)}"
    return f"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
