"""Idle containers go away, whichever workers their clients were at."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from ...support.engine import Engine
from ...support.internals import Rows, every_worker_says, on_two_workers
from ...support.server import Server
from ...support.waiting import eventually


def stops_at(box: dict[str, Any]) -> float:
    return datetime.fromisoformat(box["stops_at"]).timestamp()


def queued(server: Server, id: str) -> dict[str, Any]:
    """Wait until nobody is connected and the queue has it; the resource."""

    def found() -> dict[str, Any] | None:
        box = server.box(id)
        return box if box["stops_at"] and box["connections"] == 0 else None

    box = eventually(found, 10, f"{id} in the queue")
    assert box is not None
    return box


def lives_until(end: float, server: Server, id: str) -> None:
    """Fails at the first look that finds it not running; one that ends later tells nothing."""
    while (state := server.box(id)["state"]) and time.time() < end:
        assert state == "running"
        time.sleep(0.1)


def test_a_box_that_is_left_alone_is_stopped_and_not_removed(
    server: Server, engine: Engine, url: str
) -> None:
    box = server.create(url, idle_timeout=4)
    assert (box["state"], box["stops_at"], box["idle_timeout"]) == ("stopped", None, 4)
    with server.connect(box["id"]) as terminal:
        terminal.run("echo kept > /app/note; echo kept > /root/note")
        assert server.box(box["id"])["stops_at"] is None
    waiting = queued(server, box["id"])
    assert waiting["state"] == "running"
    assert stops_at(waiting) - time.time() <= 4.1
    lives_until(stops_at(waiting) - 0.1, server, box["id"])
    stopped = server.wait_state(box["id"], "stopped")
    assert (stopped["stops_at"], stopped["connections"]) == (None, 0)
    assert stops_at(waiting) <= time.time()
    assert engine.client().containers.get(box["container_id"]).status == "exited"
    with server.connect(box["id"]) as terminal:
        assert terminal.run("cat /app/note /root/note") == "kept\nkept\n"


def test_a_client_that_only_looks_in_puts_the_box_in_the_queue(server: Server, url: str) -> None:
    id = server.create(url, idle_timeout=5)["id"]  # in which it is seen in the queue
    terminal = server.connect(id)
    terminal.receive(30)
    terminal.vanish()
    assert queued(server, id)["state"] == "running"
    server.wait_state(id, "stopped")


def test_a_box_lives_as_long_as_one_of_two_workers_has_a_client(server: Server, url: str) -> None:
    id = server.create(url, idle_timeout=1)["id"]
    path = f"/v1/dockbox/{id}"
    with on_two_workers(server, id) as (first, second):
        second.run("answer=42")
        for shown in every_worker_says(server, path).values():
            assert (shown["connections"], shown["stops_at"]) == (2, None)
        first.close()
        eventually(lambda: server.box(id)["connections"] == 1, 10, "one connection")
        lives_until(time.time() + 2.2, server, id)
        for shown in every_worker_says(server, path).values():
            assert (shown["connections"], shown["stops_at"]) == (1, None)
        assert second.run("echo $answer") == "42\n"
    server.wait_state(id, "stopped")


def test_every_worker_shows_the_queue_that_one_that_comes_back_in_time_empties(
    server: Server, url: str
) -> None:
    id = server.create(url, idle_timeout=8)["id"]  # in which all of this is done
    with server.connect(id) as terminal:
        terminal.run("answer=42")
    waiting = queued(server, id)
    for shown in every_worker_says(server, f"/v1/dockbox/{id}").values():
        assert (shown["connections"], shown["stops_at"]) == (0, waiting["stops_at"])
    with server.connect(id) as terminal:
        assert terminal.run("echo $answer") == "42\n"
        lives_until(stops_at(waiting) + 1.2, server, id)
        assert server.box(id)["stops_at"] is None
        assert terminal.run("echo $answer") == "42\n"


def test_without_an_idle_timeout_the_last_one_out_stops_it(server: Server, url: str) -> None:
    id = server.create(url, idle_timeout=0)["id"]
    with server.connect(id) as terminal:
        assert terminal.run("echo hello") == "hello\n"
        lives_until(time.time() + 1.2, server, id)
    server.wait_state(id, "stopped")
    with server.connect(id) as terminal:
        assert terminal.run("echo again") == "again\n"


def test_an_orderly_end_leaves_the_queue_and_no_connections(
    server: Server, rows: Rows, url: str
) -> None:
    id = server.create(url, idle_timeout=1)["id"]
    with on_two_workers(server, id) as terminals:
        server.stop()
        assert [terminal.close_code()[0] for terminal in terminals] == [1001, 1001]
    assert rows.one("SELECT count(*) FROM connections") == 0
    assert rows.one("SELECT count(*) FROM workers") == 0
    queued = "SELECT state FROM dockboxes WHERE stops_at IS NOT NULL AND id = :id"
    assert rows.one(queued, id=id) == "running"
    server.start()
    server.wait_state(id, "stopped")


def test_a_stop_ends_the_terminals_of_all_workers(server: Server, url: str) -> None:
    id = server.create(url)["id"]
    with on_two_workers(server, id) as terminals:
        assert server.post(f"/v1/dockbox/{id}/stop").json()["state"] == "stopped"
        for terminal in terminals:
            assert terminal.close_code() == (1000, "The dockbox was stopped.")
    eventually(lambda: server.box(id)["connections"] == 0, 10, "no connection")
    assert (server.box(id)["state"], server.box(id)["stops_at"]) == ("stopped", None)


def test_who_connects_while_it_is_stopping_gets_a_fresh_shell(server: Server, url: str) -> None:
    id = server.create(url)["id"]
    with server.connect(id) as terminal, ThreadPoolExecutor(1) as pool:
        terminal.run("answer=42; trap '' HUP")  # so that the stop takes its grace
        stop = pool.submit(lambda: server.post(f"/v1/dockbox/{id}/stop").status_code)
        server.wait_state(id, "stopping")
        with server.connect(id) as newcomer:
            assert newcomer.run('echo "[$answer]"', timeout=30) == "[]\n"
            assert server.box(id)["state"] == "running"
        assert stop.result() == 200
