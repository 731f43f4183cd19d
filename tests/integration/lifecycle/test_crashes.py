"""What processes that died or slept have left is finished by those that live."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from ...support.engine import Engine
from ...support.internals import Rows, asleep, on_two_workers, terminal_worker
from ...support.processes import kill
from ...support.server import Server
from ...support.waiting import eventually
from .conftest import Cluster

EXPIRY = 15.0  # as in dockbox/lifecycle/queue.py


def test_the_box_of_a_killed_worker_is_stopped_by_another(
    cluster: Cluster, server: Server, rows: Rows, url: str
) -> None:
    id, other = server.create(url)["id"], server.create(url)["id"]
    with server.connect(id) as terminal, on_two_workers(server, other) as pair:
        terminal.run("echo here")
        victim = terminal_worker(server, terminal)
        server.kill_worker(victim)
        assert terminal.close_code()[0] == 1006
        box = server.box(id)
        assert (box["state"], box["connections"], box["stops_at"]) == ("running", 1, None)
        if not cluster.postgres:  # there it takes its time
            rows.age_workers_of(id, EXPIRY)
        # two heartbeats and the seconds in the queue after the end of the connection
        server.wait_state(id, "stopped", EXPIRY + 40)
        assert server.box(id)["connections"] == 0
        survivor = next(end for end in pair if terminal_worker_or_none(server, end))
        assert server.box(other)["connections"] == 1
        assert survivor.run("echo here") == "here\n"
    # gunicorn has started another one, which takes its time
    eventually(lambda: rows.one("SELECT count(*) FROM workers") == 2, 30, "both workers")


def terminal_worker_or_none(server: Server, terminal: Any) -> int:
    """The worker of a terminal that lives, or 0."""
    try:
        terminal.run("true", timeout=30)
    except Exception:  # closed, in whichever way
        return 0
    return terminal_worker(server, terminal)


@pytest.mark.parametrize("crash", ["all workers", "the whole server"])
def test_the_boxes_of_a_killed_server_are_stopped_after_its_restart(
    server: Server, rows: Rows, url: str, crash: str
) -> None:
    occupied, waiting = server.create(url, idle_timeout=0)["id"], server.create(url)["id"]
    with server.connect(waiting) as terminal:
        terminal.run("echo here")
    with server.connect(occupied) as terminal:
        terminal.run("echo here")
        if crash == "all workers":
            kill(server.worker_pids())
        else:
            server.kill()
            server.start()
        assert server.box(occupied)["connections"] == 1
        rows.age_workers_of(occupied, EXPIRY)
    eventually(lambda: server.box(occupied)["connections"] == 0, 60, "no connection")
    server.wait_state(occupied, "stopped", 30)
    server.wait_state(waiting, "stopped", 30)


def test_a_worker_that_slept_too_long_keeps_its_clients(
    server: Server, rows: Rows, url: str
) -> None:
    id = server.create(url, idle_timeout=60)["id"]
    with server.connect(id) as terminal:
        terminal.run("answer=42")
        sleeper = terminal_worker(server, terminal)
        with asleep(server, sleeper):
            rows.age_workers_of(id, EXPIRY)
            eventually(lambda: server.box(id)["stops_at"], 60, "the box in the queue")
            assert server.box(id)["connections"] == 0
        eventually(lambda: server.box(id)["connections"] == 1, 20, "the connection again")
        assert (server.box(id)["state"], server.box(id)["stops_at"]) == ("running", None)
        assert terminal.run("echo $answer") == "42\n"
    eventually(lambda: server.box(id)["connections"] == 0, 10, "no connection")


def test_a_worker_that_slept_through_the_stop_does_not_say_that_the_box_runs(
    server: Server, rows: Rows, url: str
) -> None:
    id = server.create(url, idle_timeout=0)["id"]
    with server.connect(id) as terminal:
        terminal.run("echo here")
        sleeper = terminal_worker(server, terminal)
        with asleep(server, sleeper):
            rows.age_workers_of(id, EXPIRY)
            server.wait_state(id, "stopped", 60)
        assert terminal.close_code(30)[0] == 1000
    eventually(lambda: rows.one("SELECT count(*) FROM workers") == 2, 20, "both workers")
    assert (server.box(id)["state"], server.box(id)["connections"]) == ("stopped", 0)


def plant(rows: Rows, like: str, owner: str | None, **values: object) -> str:
    """A row such as a dead worker would leave half done; its id."""
    id = str(uuid.uuid4())
    named = {
        "id": id, "custom_id": id[:8], "source": "https://example.com/planted", "idle_timeout": 2,
        "owner": owner, "state": "creating", **values,
    }  # fmt: skip
    columns = ", ".join(named)
    marks = ", ".join(f":{name}" for name in named)
    rows(
        f"INSERT INTO dockboxes ({columns}, created_at, last_modified)"
        f" SELECT {marks}, created_at, last_modified FROM dockboxes WHERE id = :like",
        **named, like=like,
    )  # fmt: skip
    return id


def test_what_a_dead_worker_left_half_done_is_finished(
    server: Server, engine: Engine, rows: Rows, url: str
) -> None:
    owner = str(uuid.UUID(int=0))
    box = server.create(url)
    with server.connect(box["id"]) as terminal:
        terminal.run("echo here")
    creating, nobodys = plant(rows, box["id"], owner), plant(rows, box["id"], None)
    (server.mount / creating).mkdir()
    (server.mount / f".{creating}.fetch").mkdir()
    deleting = plant(rows, box["id"], owner, state="stopped", deleted_at=1.0)
    (server.mount / deleting / "folder").mkdir(parents=True)
    rows(
        "UPDATE dockboxes SET state = 'stopping', stops_at = NULL, owner = :owner WHERE id = :id",
        id=box["id"], owner=owner,
    )  # fmt: skip
    server.wait_state(box["id"], "stopped", 30)
    assert engine.client().containers.get(box["container_id"]).status == "exited"
    for id in (creating, nobodys):
        failed = server.wait_state(id, "failed", 30)
        assert failed["error"] == "The server was restarted while the dockbox was being created."
    eventually(lambda: not rows("SELECT 1 FROM dockboxes WHERE id = :id", id=deleting), 30, "gone")
    left = {path.name for path in server.mount.iterdir()}
    assert box["id"] in left and not left & {creating, f".{creating}.fetch", deleting}
    eventually(lambda: not rows("SELECT 1 FROM dockboxes WHERE owner IS NOT NULL"), 10, "no owner")
