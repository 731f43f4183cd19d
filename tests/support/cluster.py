"""Several servers on one database, one engine and one mount, with a balancer before them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .balancer import Balancer
from .engine import Engine
from .run import Run
from .server import Server
from .world import World


class Cluster(World):
    """``servers`` are those that run; ``settings`` are for all."""

    def __init__(
        self, run: Run, engine: Engine, folder: Path, database: Mapping[str, str],
        **settings: object,
    ) -> None:  # fmt: skip
        super().__init__(run, engine, folder, database, **settings)
        self._run, self._folder = run, folder
        self.balancer = Balancer(run)
        self.servers: list[Server] = [self.server]

    def another(self, **settings: object) -> Server:
        """One more server, not started, that differs from the first in ``settings``."""
        server = Server(self._run, self._folder, self.engine.url, {})
        mine = {"PORT": str(server.port), "MOUNT_POINT": str(self.server.mount)}
        more = {name.upper(): str(value) for name, value in settings.items()}
        server.settings = {**self.server.settings, **mine, **more}
        server.mount = self.server.mount
        self.servers.append(server)
        return server

    def start(self) -> None:
        """All servers at once, and the balancer, which has all of them when this returns."""
        with ThreadPoolExecutor(len(self.servers)) as pool:
            list(pool.map(lambda server: server.start(60), self.servers))
        self.balancer.start()
        for server in self.servers:
            self.balancer.add(server)
        for server in self.servers:
            self.balancer.wait_for(server, "UP")

    def clean(self) -> None:
        """Close every terminal and delete every dockbox."""
        self.hang_up()
        while items := self.balancer.get("/v1/dockbox?limit=200").json()["items"]:
            for box in items:
                self.balancer.delete(f"/v1/dockbox/{box['id']}")

    def hang_up(self) -> None:
        """Close every terminal."""
        for api in (self.balancer, *self.servers):
            api.hang_up()

    def close(self) -> None:
        self.balancer.close()
        for server in self.servers:
            with contextlib.suppress(ProcessLookupError):
                server.kill()
        self.site.close()
