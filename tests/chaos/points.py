"""A worker is killed at each step of each thing that it does, one after the other.

The invariants are looked at once, at the end: by then the others have had to finish all of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

from tests.support.server import Server
from tests.support.waiting import eventually

from .client import Failed, call, connect, run
from .invariants import check
from .world import World

MOST = 200  # steps, of which no operation has so many


class Points:
    """``plan`` is the file that ``tests.support.faulty`` reads."""

    def __init__(self, world: World, plan: Path) -> None:
        self._world, self._plan = world, plan
        self._turns = itertools.cycle(world.servers)
        self._operations: dict[str, Callable[[], None]] = {
            "create": self.create, "connect": self.connect, "leave": self.leave,
            "stop": self.stop, "delete": self.delete,
        }  # fmt: skip

    def strike(self, stride: int) -> dict[str, int]:
        """Kill at every ``stride``-th step; how many kills there were of each operation."""
        return {name: self._each(name, stride) for name in self._operations}

    def _each(self, name: str, stride: int) -> int:
        for kills, at in enumerate(range(1, MOST, stride)):
            self._steps = at
            self._operations[name]()
            if self._armed():  # it has fewer steps
                self._plan.unlink(missing_ok=True)
                return kills
            self._world.journal.event("fault", f"killed in {name}", f"step {at}")
            for server in self._world.servers:
                eventually(lambda s=server: len(s.worker_pids()) == 2, 30, "a new worker")  # type: ignore[misc]
        raise AssertionError(f"{name} has no end")

    def _arm(self) -> Server:
        self._plan.write_text(str(self._steps))
        return next(self._turns)

    def _armed(self) -> bool:
        return self._plan.exists()

    def _box(self, **body: object) -> str:
        """A new dockbox, made while nobody dies."""
        body = {"url": self._world.url, **body}
        for _ in range(3):  # the one who died may have accepted this call before
            answer = call(
                self._world.journal, "client", next(self._turns), "POST", "/v1/dockbox", json=body
            )
            if answer is not None and answer.status_code == 201:
                return str(answer.json()["id"])
        raise AssertionError("no dockbox")

    # --- what may be cut short --------------------------------------------------------------

    def create(self) -> None:
        body = {"url": self._world.url}
        call(self._world.journal, "client", self._arm(), "POST", "/v1/dockbox", json=body)

    def connect(self) -> None:
        id = self._box()
        try:
            with connect(self._arm(), id) as terminal:
                run(terminal, "echo here")
        except Failed:
            pass

    def leave(self) -> None:
        """Until the container is stopped."""
        id = self._box(idle_timeout=0)
        terminal = connect(next(self._turns), id)
        run(terminal, "echo here")
        self._arm()
        terminal.close()
        state = "SELECT state FROM dockboxes WHERE id = :id"

        def over() -> bool:
            return not self._armed() or self._world.rows.one(state, id=id) == "stopped"

        eventually(over, 30, "a stop")

    def stop(self) -> None:
        id = self._box()
        with connect(next(self._turns), id) as terminal:
            run(terminal, "echo here")
            path = f"/v1/dockbox/{id}/stop"
            call(self._world.journal, "client", self._arm(), "POST", path)

    def delete(self) -> None:
        id = self._box()
        with connect(next(self._turns), id) as terminal:
            run(terminal, "echo here")
            call(self._world.journal, "client", self._arm(), "DELETE", f"/v1/dockbox/{id}")


def points(world: World, plan: Path, stride: int) -> list[str]:
    """What was violated."""
    for name, kills in Points(world, plan).strike(stride).items():
        world.journal.event("summary", f"{kills} kills in {name}")
    check(world)
    return world.journal.violations
