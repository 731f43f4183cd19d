"""One run: clients and faults for some time, then the invariants."""

from __future__ import annotations

import threading

from .client import HANG
from .faults import Faults, heal
from .invariants import check
from .load import Boxes, Client
from .steady import Steady
from .world import World

CLIENTS, STEADY = 4, 2


def chaos(world: World, seed: int, seconds: float) -> list[str]:
    """What was violated."""
    boxes = Boxes()
    lives = [Steady(world, f"steady-{i}", f"{seed} steady {i}").live for i in range(STEADY)]
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
