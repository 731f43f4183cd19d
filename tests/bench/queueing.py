"""Rows about the queue: what a look at it takes with many dockboxes, beside one with few."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median

from dockbox.lifecycle import queue
from tests.support import many
from tests.unit.lifecycle.world import Database, connected

from .report import DOCKBOX, Row
from .rig import Rig

FEW = 1000  # dockboxes
BEFORE, TICKS = 20, 200  # ticks that do not count, and those that do
DUE, TIMES = 20, 15  # dockboxes that a tick takes, and how often
WORKER = "worker-0"


def ticks(rig: Rig, rounds: int, number: int) -> list[Row]:
    """A tick of the queue with ``number`` dockboxes, a tenth of them waiting, and with ``FEW``.

    It runs in this process, as in a worker: SQLAlchemy and the driver are in the time.
    """
    limit, rows = f"{FEW:,} rows", []
    for kind in ("PostgreSQL", "SQLite"):
        name = f"queue tick at {number:,} rows, {kind}"
        idle = Row(f"{name}, nothing due", "ms", limit)
        due = Row(f"{name}, {DUE} due", "ms", limit)
        databases = {
            who: (_fill(rig, kind, size), size) for who, size in ((DOCKBOX, number), (limit, FEW))
        }
        for _ in range(rounds):
            for who, (settings, _) in databases.items():
                with connected(settings, rig.run.folder) as database:
                    for _ in range(BEFORE):
                        queue.claim(WORKER)
                    idle.add(who, median(_tick() for _ in range(TICKS)) * 1000)
                    due.add(who, median(_claim(database) for _ in range(TIMES)) * 1000)
        rows += [idle, due]
    return rows


def _fill(rig: Rig, kind: str, size: int) -> Mapping[str, str]:
    """Settings of a new database of ``size`` dockboxes."""
    settings = rig.postgres.database() if kind == "PostgreSQL" else {"DATABASE_NAME": f"of-{size}"}
    with connected(settings, rig.run.folder) as database:
        many.fill(size, database.now())
    return settings


def _tick() -> float:
    start = time.perf_counter()
    claimed = queue.claim(WORKER)
    seconds = time.perf_counter() - start
    if claimed:
        raise RuntimeError("something was due")
    return seconds


def _claim(database: Database) -> float:
    """Seconds that a tick takes to claim ``DUE``; they wait again afterwards."""
    database.rows(
        "UPDATE dockboxes SET stops_at = 1 WHERE id IN"
        " (SELECT id FROM dockboxes WHERE stops_at IS NOT NULL ORDER BY stops_at LIMIT :due)",
        due=DUE,
    )
    start = time.perf_counter()
    claimed = queue.claim(WORKER)
    seconds = time.perf_counter() - start
    if len(claimed) != DUE:
        raise RuntimeError(f"{len(claimed)} were claimed, not {DUE}")
    database.rows(
        "UPDATE dockboxes SET state = 'running', owner = NULL, stops_at = :later"
        " WHERE state = 'stopping'",
        later=database.now() + 86400,
    )
    return seconds
