"""One run: clients and faults for some time, then the invariants."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from .client import HANG
from .faults import Faults, heal
from .invariants import check
from .load import Boxes, Client
from .steady import Steady
from .world import World

CLIENTS = 4
STEADY = 1, 2  # clients of each dockbox that nobody stops


def chaos(world: World, seed: int, seconds: float) -> list[str]:
    """What was violated."""
    boxes = Boxes()
    lives = [steady.live for steady in _steady(world, seed)]
    lives += [Client(world, boxes, f"client-{i}", f"{seed} {i}").live for i in range(CLIENTS)]
    threads = [threading.Thread(target=live, daemon=True) for live in lives]
    for thread in threads:
        thread.start()
    Faults(world, f"{seed} faults").strike(seconds)
    heal(world)
    world.over.set()
    for thread in threads:
        thread.join(2 * HANG)
        if thread.is_alive():
            world.journal.violation("a client hangs", thread.name)
    check(world)
    return world.journal.violations


def _steady(world: World, seed: int) -> Iterator[Steady]:
    for box, clients in enumerate(STEADY):
        id = world.servers[0].create(world.url)["id"]
        for client in range(clients):
            name = f"steady_{box}{client}"
            world.journal.event(name, "steady", f"is at {id}")
            yield Steady(world, id, name, f"{seed} {name}")
