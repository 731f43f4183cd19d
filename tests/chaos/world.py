"""Two servers that share a PostgreSQL, a Docker engine and a mount."""

from __future__ import annotations

import math
import random
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support import images
from tests.support.engine import Engine
from tests.support.internals import Rows
from tests.support.postgres import Postgres
from tests.support.run import Run
from tests.support.server import Server
from tests.support.site import Site

from .journal import Journal

EVERYTHING = ""  # the excuse for the end of every shell
INSTALLATION, DOCKBOX = "dockbox.installation", "dockbox.id"  # labels of our containers


class World:
    """Everything that runs beside ``engine`` and ``postgres``, which run already.

    ``url`` is of the code that dockboxes are made from.  ``over`` is set when the chaos ends.
    """

    def __init__(
        self, run: Run, engine: Engine, postgres: Postgres, folder: Path, idle_timeout: int = 3
    ) -> None:
        self.engine, self.postgres, self.idle_timeout = engine, postgres, idle_timeout
        self.journal, self.over = Journal(), threading.Event()
        self.removed: set[str] = set()  # dockboxes whose container was taken away
        self._excuses: dict[str, float] = {}  # when a fault last ended shells, by dockbox
        self._ends = ExitStack()
        site = Site(folder / "site")
        self._ends.callback(site.close)
        site.delay = 0.1  # so that faults find something being fetched
        self.url = site.repository("project", {"main.py": "print('hello')\n"})
        table = folder / "images.toml"
        table.write_text(f'default = "{images.BASH}"\n\n[languages]\n')
        database = postgres.database()
        self.rows = Rows(database)
        self.servers = [
            Server(
                run, folder, engine.url, database, web_concurrency=2, idle_timeout=idle_timeout,
                stop_grace=1, create_wait=20, private_sources="127.0.0.0/8", images_file=table,
            )
            for _ in range(2)
        ]  # fmt: skip

    def __enter__(self) -> World:
        try:
            for server in self.servers:
                self._ends.callback(server.kill)
                server.start(60)
        except BaseException:
            self._ends.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._ends.close()

    def server(self, choice: random.Random) -> Server:
        return choice.choice(self.servers)

    def containers(self) -> list[dict[str, Any]]:
        """All of ours, as Docker lists them."""
        found = self.engine.client().api.containers(all=True, filters={"label": INSTALLATION})
        return list(found)

    # --- who may have ended a shell -------------------------------------------------------

    def begin_excuse(self, dockbox: str) -> None:
        """From now on shells of this dockbox (or ``EVERYTHING``) may end."""
        self._excuses[dockbox] = math.inf

    def end_excuse(self, dockbox: str) -> None:
        self._excuses[dockbox] = time.monotonic()

    def excused(self, dockbox: str, since: float) -> bool:
        """Whether a fault may have ended the dockbox's shell after ``since``."""
        return any(self._excuses.get(key, 0) >= since for key in (dockbox, EVERYTHING))


def faulty_world(run: Run, engine: Engine, postgres: Postgres, folder: Path, plan: Path) -> World:
    """One whose workers die at the step that the file ``plan`` says."""
    world = World(run, engine, postgres, folder)
    for server in world.servers:
        server.app = "tests.support.faulty:app"
        server.settings["FAULT_PLAN"] = str(plan)
    return world
