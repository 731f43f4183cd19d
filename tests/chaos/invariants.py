"""What must be true once all is whole, all clients have left and some time has passed."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator

from tests.support.server import Server

from .client import Failed, call, connect, run
from .world import DOCKBOX, World

PATIENCE = 30.0  # seconds beside the idle_timeout
RECORD = re.compile(r"^(?=\[?\d{4}-\d\d-\d\d )", re.MULTILINE)  # where one of the log begins
TROUBLE = re.compile(r"Traceback|greenlet .* died|the reaper failed")
EXPECTED = (
    # the pool's own, when PostgreSQL has cut a connection whose transaction failed otherwise
    "Exception during reset or similar",
)
ROWS = (
    "SELECT id, state, owner, deleted_at, container_id, error FROM dockboxes"
    " WHERE state IN ('creating', 'stopping', 'running') OR owner IS NOT NULL"
    " OR deleted_at IS NOT NULL"
)
Finding = Iterator[str]  # what is wrong, in words


def unsettled_rows(world: World) -> Finding:
    """No row is being worked on, deleted or running."""
    yield from map(str, world.rows(ROWS))


def connections(world: World) -> Finding:
    """The database holds no connection."""
    yield from map(str, world.rows("SELECT id, dockbox_id, worker_id FROM connections"))


def dead_workers(world: World) -> Finding:
    """The database holds the workers that live, and no other."""
    ages = world.rows("SELECT id, extract(epoch FROM now()) - heartbeat FROM workers")
    yield from (f"{id} was silent for {age:.0f} s" for id, age in ages if age > 15)
    alive = sum(len(server.worker_pids()) for server in world.servers)
    if len(ages) != alive:
        yield f"{len(ages)} rows for {alive} workers"


def containers(world: World) -> Finding:
    """A container for each stopped dockbox, none for others, and none that runs."""
    rows = {row[0]: row[1:] for row in world.rows("SELECT id, state, container_id FROM dockboxes")}
    found = world.containers()
    for container in found:
        box = container["Labels"].get(DOCKBOX)
        state = rows.get(box, ("no row", None))[0]
        if state != "stopped" or container["State"] == "running":
            yield f"{container['Names']} is {container['State']}, {box} has {state}"
    there = Counter(container["Labels"].get(DOCKBOX) for container in found)
    yield from (f"{number} containers of {box}" for box, number in there.items() if number > 1)
    ids = {container["Id"] for container in found}
    for box, (state, id) in rows.items():
        if state == "stopped" and id not in ids and box not in world.removed:
            yield f"{box} is stopped without its container {id}"


def files(world: World) -> Finding:
    """No directory on the mount without a dockbox."""
    ids = {row[0] for row in world.rows("SELECT id FROM dockboxes WHERE state = 'stopped'")}
    yield from (p.name for p in world.servers[0].mount.iterdir() if p.name not in ids)


SETTLING: tuple[Callable[[World], Finding], ...] = (
    unsettled_rows, connections, dead_workers, containers, files
)  # fmt: skip


def check(world: World) -> None:
    """Wait until all is settled, and report what is not; then use each server once more."""
    end = time.monotonic() + world.idle_timeout + PATIENCE
    for invariant in SETTLING:
        while (wrong := list(invariant(world))) and time.monotonic() < end:
            time.sleep(0.5)
        for detail in wrong:
            world.journal.violation(_name(invariant), detail)
        world.journal.event("check", _name(invariant), "", "wrong" if wrong else "holds")
    for server in world.servers:
        for detail in [*_use(world, server), *_trouble(server)]:
            world.journal.violation(f"server {server.port}", detail)


def _name(invariant: Callable[[World], Finding]) -> str:
    return (invariant.__doc__ or "").rstrip(".")


def _use(world: World, server: Server) -> Finding:
    """What does not work: the probes, and a dockbox's whole life."""

    def answer(method: str, path: str, expected: int, **more: object) -> dict[str, object]:
        got = call(world.journal, "check", server, method, path, **more)
        if got is None or got.status_code != expected:
            wrong.append(f"{method} {path}: {got.text if got is not None else 'no answer'}")
            return {}
        return dict(got.json()) if got.text.startswith("{") else {}

    wrong: list[str] = []
    answer("GET", "/health", 200)
    answer("GET", "/ready", 200)
    if id := answer("POST", "/v1/dockbox", 201, json={"url": world.url}).get("id"):
        try:
            with connect(server, str(id)) as terminal:
                if run(terminal, "echo well") != "well\n":
                    wrong.append("wrong echo")
        except Failed as failed:
            wrong.append(f"terminal: {failed}")
        answer("DELETE", f"/v1/dockbox/{id}", 204)
    yield from wrong


def _trouble(server: Server) -> Finding:
    """The first sign of a bug in the log, and how many there are."""
    records = RECORD.split(server.log())
    found = [r for r in records if TROUBLE.search(r) and not any(e in r for e in EXPECTED)]
    if found:
        yield f"{len(found)} errors in its log, the first:\n{found[0][:4000]}"
