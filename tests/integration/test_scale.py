"""100,000 dockboxes, 10,000 of them waiting to be stopped, and many clients, on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event

from dockbox import provision
from dockbox.database import MAX_OVERFLOW, POOL_SIZE, db, transaction
from dockbox.lifecycle import lookup, queue, quota, reaper, workers

from ..support import many
from ..support.engine import Engine
from ..support.internals import Rows
from ..support.postgres import Postgres
from ..support.run import Run
from ..support.waiting import eventually
from ..support.world import World
from ..unit.lifecycle.world import Database, connected

pytestmark = pytest.mark.postgres
NUMBER = 100_000
ATTENDED, CLIENTS = 1000, 2000  # of them: dockboxes with clients, and those clients
BOUND = POOL_SIZE + MAX_OVERFLOW
WORKER = "worker-0"


def box(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


CREATING = [box(number) for number in range(3, NUMBER, 10_000)]


@pytest.fixture(scope="module")
def full(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with connected(postgres.database(), tmp_path_factory.mktemp("full")) as made:
        many.fill(NUMBER, made.now())
        waiting = "SELECT count(*) FROM dockboxes WHERE state = 'running' AND stops_at > :now"
        assert made.one(waiting, now=made.now()) == NUMBER / 10  # with few, a scan would be right
        yield made


# --- what is read -------------------------------------------------------------------------


def cancel_deleted() -> None:
    creating = SimpleNamespace(_running=dict.fromkeys(CREATING))
    provision.Provision.cancel_deleted(creating)  # type: ignore[arg-type]


def check_quota() -> None:
    limited = SimpleNamespace(max_dockboxes=NUMBER + 1, auth="none")
    with transaction() as session:
        quota.check(session, limited, None)  # type: ignore[arg-type]


def look_for_room() -> None:
    bounds = SimpleNamespace(
        max_running=12_000, auth="none", max_box_connections=100, max_connections=5
    )
    room = quota.Room(bounds)  # type: ignore[arg-type]
    lookup.find(box(4), lambda session, found: room.look(session, found, "token"))


def compare_containers() -> None:
    """Docker has the containers of 3,000 rows that do not run, and of all that do."""
    reaper._known([box(number) for number in range(NUMBER) if number % 33 == 0 or running(number)])


def running(number: int) -> bool:
    return number % 10 == 0 or number % 100 == 1


CALLS: dict[str, tuple[Callable[[], object], int]] = {  # with how many rows they may look at
    "claim": (lambda: queue.claim(WORKER), 0),
    "cancel_deleted": (cancel_deleted, 10),
    "beat": (lambda: workers.beat(WORKER), many.WORKERS),
    "connections": (lambda: workers.connections(WORKER), CLIENTS // many.WORKERS),
    "forget_dead": (workers.forget_dead, many.WORKERS),
    "queue_idle": (workers.queue_idle, ATTENDED + CLIENTS),
    "adopt": (lambda: workers.adopt(WORKER, lambda: [box(3)], True), 20 + many.WORKERS),
    "compare_containers": (compare_containers, 15_000),
    "first page": (lambda: lookup.page(50, None, None), 100),
    "snapshots": (lambda: lookup.snapshots([box(n) for n in range(1, 1000, 100)]), 50),
    "count": (lambda: queue.count([box(1), box(101)]), 10),
    "find": (lambda: lookup.find("box-77"), 2),
    "smallest": (lambda: queue.smallest(box(101)), 5),
    "connect and leave": (lambda: come_and_go(box(201)), 30),
    "check_quota": (check_quota, NUMBER + 1),
    "look_for_room": (look_for_room, 12_000),
}


def come_and_go(id: str) -> None:
    assert queue.cancel(id, "newcomer", WORKER) == "running"
    queue.schedule(id, "newcomer")


@pytest.mark.parametrize("name", CALLS)
def test_no_statement_reads_a_table_from_end_to_end(full: Database, name: str) -> None:
    call, most = CALLS[name]
    full.rows("UPDATE workers SET heartbeat = :now", now=full.now())  # of dead ones more is read
    found = many.plans(call)
    assert found
    for plan in found:
        # the sweep for what has lost its last client unheard compares all boxes that have clients
        # with all clients
        allowed = {"connections"} if name == "queue_idle" else set()
        assert plan.scanned() - allowed <= {"workers", "installation"}, plan
    assert sum(plan.read() for plan in found) <= most, found


def test_the_queue_is_searched_by_time_and_not_by_trying_all_who_wait(full: Database) -> None:
    full.rows(
        "UPDATE dockboxes SET stops_at = 1 WHERE id IN (SELECT id FROM dockboxes"
        " WHERE stops_at IS NOT NULL ORDER BY id DESC LIMIT 30)"
    )
    select, update = many.plans(lambda: queue.claim(WORKER))
    assert select.indexes() == {"ix_dockboxes_queue"} and 20 <= select.read() <= 40
    # once with the explanation, once in earnest
    assert update.scanned() == set() and update.read() <= 80
    assert len(queue.claim(WORKER)) == 10
    full.rows(
        "UPDATE dockboxes SET state = 'running', owner = NULL,"
        " stops_at = created_at + 1e6 WHERE state = 'stopping'"
    )


# --- an idle tick -------------------------------------------------------------------------


def test_an_idle_tick_is_one_statement_and_writes_nothing(full: Database) -> None:
    full.rows("UPDATE workers SET heartbeat = :now", now=full.now())  # all were heard just now
    assert len(many.statements(lambda: queue.claim(WORKER))) == 1
    assert writes(lambda: queue.claim(WORKER)) == 0
    assert writes(workers.forget_dead) == writes(workers.queue_idle) == 0
    assert writes(lambda: workers.adopt(WORKER, lambda: CREATING, True)) == 0
    assert writes(lambda: workers.beat(WORKER)) == 1


def writes(call: Callable[[], object]) -> int:
    """How many of the call's transactions have changed anything: those that got a number."""
    numbers: list[Any] = []

    def ends(connection: Any) -> None:
        asked = connection.exec_driver_sql("SELECT pg_current_xact_id_if_assigned()::text")
        numbers.append(asked.scalar())

    event.listen(db.engine, "commit", ends)
    try:
        call()
    finally:
        event.remove(db.engine, "commit", ends)
    assert numbers
    return sum(number is not None for number in numbers)


# --- lists --------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [None, "failed", "running"])
def test_the_last_page_costs_what_the_first_does(full: Database, state: str | None) -> None:
    there = "deleted_at IS NULL AND (:state IS NULL OR state = :state)"
    wanted = f"SELECT id FROM dockboxes WHERE {there} ORDER BY created_at DESC, id DESC"
    ids = [id for (id,) in full.rows(wanted, state=state)]
    begin = max(0, len(ids) - 11_000)  # a walk over all of the largest list would take long
    keys = [None, key(full, ids[len(ids) // 2]), key(full, ids[begin - 1]) if begin else None]
    seen, after = list[str](), keys[-1]
    while True:
        items, after = lookup.page(1000, after, state)
        seen += [item["id"] for item in items]
        if after is None:
            break
        keys.append(after)
    assert seen == ids[begin:] and len(seen) > 900
    index = "ix_dockboxes_state" if state else "ix_dockboxes_newest"
    for at in keys:
        (plan,) = many.plans(partial(lookup.page, 50, at, state))
        assert index in plan.indexes() and plan.scanned() == set(), plan
        assert plan.read() <= 51 + 51 * 2, plan  # and at most two clients of each


def key(full: Database, id: str) -> tuple[float, str]:
    return full.one("SELECT created_at FROM dockboxes WHERE id = :id", id=id), id


# --- connections to the database ----------------------------------------------------------


@pytest.fixture(scope="module")
def world(
    run: Run, engine: Engine, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("crowd")
    world = World(
        run, engine, folder, postgres.database(), web_concurrency=2, max_box_connections=0
    )
    world.server.start()
    yield world
    world.close()


class Activity:
    """The database's sessions of one database, looked at again and again."""

    def __init__(self, world: World) -> None:
        self._rows = Rows(world.server.settings)

    def now(self) -> list[tuple[str, float | None]]:
        """The state of each session but this one, and since when it has a transaction."""
        return self._rows(
            "SELECT state, extract(epoch FROM xact_start) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )


def bounded(activity: Activity) -> int:
    """How many connections there are; one that was cut off may be told apart only a moment later.

    A client that leaves in the middle of a query takes its connection with it: the worker has a
    new one before PostgreSQL has ended the old.
    """
    if (found := len(activity.now())) > 2 * BOUND:
        eventually(lambda: len(activity.now()) <= 2 * BOUND, 20, "connections within the bound")
        return 2 * BOUND
    return found


def test_a_worker_takes_no_more_of_the_databases_connections_than_it_may(world: World) -> None:
    id = world.server.create(world.archive())["id"]
    activity, most = Activity(world), 0
    with ThreadPoolExecutor(300) as pool:
        coming = [pool.submit(world.server.connect, id) for _ in range(300)]
        while not all(client.done() for client in coming):
            most = max(most, bounded(activity))
    for client in coming:
        client.result()
    eventually(lambda: world.server.box(id)["connections"] == 300, 30, "300 connections")
    most = max(most, bounded(activity))
    assert BOUND < most <= 2 * BOUND  # of two workers
    world.server.hang_up()
    world.clean()


def transactions(activity: Activity) -> set[float]:
    """Each by when it began."""
    return {since for _, since in activity.now() if since is not None}


def test_terminals_that_are_open_hold_nothing_of_the_database(world: World) -> None:
    id = world.server.create(world.archive())["id"]
    for _ in range(50):
        world.server.connect(id)
    eventually(lambda: world.server.box(id)["connections"] == 50, 30, "50 connections")
    activity = Activity(world)
    eventually(lambda: {state for state, _ in activity.now()} == {"idle"}, 10, "only idle ones")
    for _ in range(5):  # whatever transactions there are, none of them stays
        began = transactions(activity)
        eventually(lambda old=began: not old & transactions(activity), 10, "their end")
        time.sleep(0.2)
    assert len(activity.now()) <= 2 * BOUND
    world.server.hang_up()
    world.clean()
