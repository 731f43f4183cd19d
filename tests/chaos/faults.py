"""What breaks, one at a time, and is whole again afterwards."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from docker.errors import APIError

from tests.support.processes import kill
from tests.support.server import Server

from .world import DOCKBOX, EVERYTHING, World

LONGEST_FREEZE = 20.0  # seconds: a worker is taken for dead after 15
TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
Fault = Callable[[], None]


class Faults:
    def __init__(self, world: World, seed: str) -> None:
        self._world, self._choice = world, random.Random(seed)
        self._faults: list[tuple[Fault, int]] = [
            (self.kill_worker, 3), (self.kill_server, 2), (self.end_worker, 2),
            (self.freeze_worker, 2), (self.freeze_server, 1), (self.restart_postgres, 2),
            (self.cut_postgres, 3), (self.restart_docker, 1), (self.end_container, 4),
        ]  # fmt: skip
        self._meanwhile: list[Fault] = [self.end_container, self.cut_postgres, lambda: None]

    def strike(self, seconds: float) -> None:
        """Break one after the other for so long."""
        end = time.monotonic() + seconds
        faults, weights = zip(*self._faults, strict=True)
        while time.monotonic() < end:
            time.sleep(min(self._choice.uniform(0.2, 4), max(0.0, end - time.monotonic())))
            (fault,) = self._choice.choices(faults, weights)
            fault()

    def _say(self, what: str, detail: str = "", outcome: str = "") -> None:
        self._world.journal.event("fault", what, detail, outcome)

    def _pause(self, most: float) -> None:
        time.sleep(self._choice.uniform(0, most))

    # --- servers --------------------------------------------------------------------------

    def _worker(self) -> int | None:
        pids = self._world.server(self._choice).worker_pids()
        return self._choice.choice(pids) if pids else None

    def kill_worker(self) -> None:
        if pid := self._worker():
            self._say("kill a worker", str(pid))
            kill([pid])

    def end_worker(self) -> None:
        if pid := self._worker():
            self._say("SIGTERM to a worker", str(pid))
            self._signal(pid, signal.SIGTERM)

    def kill_server(self) -> None:
        server = self._world.server(self._choice)
        self._say("kill a server", str(server.port))
        server.kill()
        self._pause(5)
        server.start(60)
        self._say("server is back", str(server.port))

    def freeze_worker(self) -> None:
        if pid := self._worker():
            self._freeze("worker", [pid])

    def freeze_server(self) -> None:
        server = self._world.server(self._choice)
        if server.process:
            self._freeze("server", [server.process.pid, *server.worker_pids()])

    def _freeze(self, what: str, pids: list[int]) -> None:
        seconds = self._choice.uniform(1, LONGEST_FREEZE)
        self._say(f"freeze a {what}", f"{pids} for {seconds:.1f} s")
        try:
            for pid in pids:
                self._signal(pid, signal.SIGSTOP)
            time.sleep(seconds / 2)
            self._choice.choice(self._meanwhile)()  # which it will hear of late
            time.sleep(seconds / 2)
        finally:
            for pid in pids:
                self._signal(pid, signal.SIGCONT)
        self._say(f"{what} thaws", str(pids))
        if self._choice.random() < 0.3:  # before it knows what has become of its work
            self._pause(1)
            self._say("kill what has thawed", str(pids[-1]))
            self._signal(pids[-1], signal.SIGKILL)

    @staticmethod
    def _signal(pid: int, sign: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, sign)

    # --- the database ---------------------------------------------------------------------

    def restart_postgres(self) -> None:
        self._say("restart PostgreSQL")
        self._world.postgres.stop()
        try:
            self._pause(3)
        finally:
            self._world.postgres.start()
        self._say("PostgreSQL is back")

    def cut_postgres(self) -> None:
        cut = self._world.rows(TERMINATE)
        self._say("cut connections to PostgreSQL", str(len(cut)))

    # --- Docker ---------------------------------------------------------------------------

    def restart_docker(self) -> None:
        crash = self._choice.random() < 0.5
        self._say("crash of Docker" if crash else "restart Docker")
        engine = self._world.engine
        self._world.begin_excuse(EVERYTHING)
        try:
            engine.kill() if crash else engine.stop()
            self._pause(3)
        finally:
            engine.start()
            self._world.end_excuse(EVERYTHING)
        self._say("Docker is back")

    def end_container(self) -> None:
        boxes = sorted(c["Labels"].get(DOCKBOX, "") for c in self._world.containers())
        if not boxes:
            return
        box, remove = self._choice.choice(boxes), self._choice.random() < 0.5
        self._say("remove a container" if remove else "kill a container", box)
        api, name = self._world.engine.client().api, f"dockbox-{box}"
        self._world.begin_excuse(box)
        if remove:
            self._world.removed.add(box)
        try:
            api.remove_container(name, force=True) if remove else api.kill(name)
        except APIError as error:  # it does not run, or was removed meanwhile
            self._say("container", box, f"{error.status_code}")
        finally:
            self._world.end_excuse(box)


def heal(world: World) -> None:
    """Whatever the last fault may have left: each server answers."""
    for server in world.servers:
        _revive(server)


def _revive(server: Server) -> None:
    if server.process is None or server.process.poll() is not None:
        server.kill()
        server.start(60)
