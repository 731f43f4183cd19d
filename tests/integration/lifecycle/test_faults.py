"""Docker, its containers and the connections to them break."""

from __future__ import annotations

import http.client
import os
import signal
import time
from contextlib import suppress
from typing import Any

import pytest
from docker.errors import APIError

from ...support import images
from ...support.engine import Engine
from ...support.internals import Rows, asleep, on_two_workers, terminal_worker
from ...support.server import Server
from ...support.terminal import Terminal
from ...support.waiting import eventually

pytestmark = pytest.mark.parametrize("cluster", ["sqlite"], indirect=True)


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def occupied(server: Server, url: str, **body: object) -> tuple[str, Terminal]:
    """A dockbox and a terminal whose shell is there."""
    id = server.create(url, **body)["id"]
    terminal = server.connect(id)
    terminal.run("answer=42")
    return id, terminal


def test_without_docker_terminals_end_calls_are_refused_and_all_comes_back(
    server: Server, engine: Engine, rows: Rows, url: str
) -> None:
    id, terminal = occupied(server, url, idle_timeout=600)
    left, other = occupied(server, url, idle_timeout=600)
    other.close()
    try:
        engine.kill()
        with terminal:
            assert terminal.close_code(20) == (1011, "Docker cannot be reached.")
        began = time.monotonic()
        away = (503, "runtime_unavailable")
        assert refused(server.post("/v1/dockbox", json={"url": url})) == away
        assert refused(server.post(f"/v1/dockbox/{id}/stop")) == away
        assert refused(server.delete(f"/v1/dockbox/{id}")) == away
        with server.connect(id) as late:
            assert late.close_code(20) == (1011, "Docker cannot be reached.")
        ready = server.get("/ready")
        assert (ready.status_code, ready.json()["database"]) == (503, "ok")
        assert ready.json()["docker"] == "Docker cannot be reached."
        assert server.get("/health").status_code == 200
        listed = {box["id"] for box in server.get("/v1/dockbox").json()["items"]}
        assert listed == {id, left}
        assert time.monotonic() - began < 20
    finally:
        engine.start()
    with server.connect(id) as again:
        assert again.run('echo "[$answer]"', timeout=30) == "[]\n"
    eventually(lambda: server.get("/ready").status_code == 200, 20, "both")
    rows.age(20)
    server.wait_state(left, "stopped", 30)  # its container ended with the engine
    assert {box["id"] for box in server.get("/v1/dockbox").json()["items"]} == listed


def test_an_engine_that_hangs_does_not_stop_the_heartbeats(
    server: Server, engine: Engine, rows: Rows, url: str
) -> None:
    id, terminal = occupied(server, url)
    assert engine._process is not None
    with terminal:
        os.kill(engine._process.pid, signal.SIGSTOP)
        try:
            rows.age(20)
            eventually(lambda: rows.one("SELECT reconciled_at FROM installation"), 20, "a turn")
            before = rows.one("SELECT max(heartbeat) FROM workers")
            oldest = "SELECT min(heartbeat) FROM workers"
            eventually(lambda: rows.one(oldest) > before, 20, "heartbeats of both workers")
            assert server.box(id)["connections"] == 1
        finally:
            os.kill(engine._process.pid, signal.SIGCONT)
        assert terminal.run("echo $answer", timeout=30) == "42\n"


@pytest.mark.parametrize("how", ["killed", "removed"])
def test_a_terminal_whose_container_goes_is_told_at_once(
    server: Server, engine: Engine, url: str, how: str
) -> None:
    id, terminal = occupied(server, url)
    with terminal:
        container = engine.client().containers.get(server.box(id)["container_id"])
        container.kill() if how == "killed" else container.remove(force=True)
        code, reason = terminal.close_code(20)
        assert code == 1011
        assert reason in ("The container ended with code 137.", "The container was removed.")
    assert server.wait_state(id, "stopped")["stops_at"] is None
    with server.connect(id) as again:
        assert again.run('ls /app; echo "[$answer]"') == "main.py\n[]\n"
    fresh = server.box(id)["container_id"]
    assert (fresh == container.id) == (how == "killed")
    assert list(engine.containers(id).values()) == [fresh]


def test_a_container_that_ends_under_clients_of_two_workers_is_soon_known_to_be_stopped(
    server: Server, engine: Engine, url: str
) -> None:
    id = server.create(url, idle_timeout=600)["id"]
    with on_two_workers(server, id) as pair:
        for terminal in pair:
            terminal.run("echo here")
        engine.client().containers.get(server.box(id)["container_id"]).kill()
        assert [terminal.close_code(20)[0] for terminal in pair] == [1011, 1011]
        server.wait_state(id, "stopped", 9)  # the comparison with Docker takes 15 s at least


def test_a_worker_that_hears_late_of_the_end_of_a_container_does_not_say_it_was_stopped(
    server: Server, engine: Engine, url: str
) -> None:
    box = server.create(url)
    with on_two_workers(server, box["id"]) as (early, late):
        for terminal in (early, late):
            terminal.run("echo here")
        sleeper = terminal_worker(server, late)
        with asleep(server, sleeper):
            engine.client().containers.get(box["container_id"]).kill()
            assert early.close_code(20) == (1011, "The container ended with code 137.")
        assert late.close_code(20) == (1011, "The container ended with code 137.")
    assert server.wait_state(box["id"], "stopped")["stops_at"] is None


def test_containers_that_change_behind_our_back_are_noticed(
    server: Server, engine: Engine, url: str
) -> None:
    client = engine.client()
    dead, gone = (server.create(url, idle_timeout=600)["id"] for _ in range(2))
    started = server.create(url, idle_timeout=5)  # in which it is seen running
    for id in (dead, gone):
        with server.connect(id) as terminal:
            terminal.run("echo here")
        # whoever is there when a container ends says so at once
        eventually(lambda id=id: server.box(id)["connections"] == 0, 10, "no connection")
    client.containers.get(server.box(dead)["container_id"]).kill()
    client.containers.get(server.box(gone)["container_id"]).remove(force=True)
    client.containers.get(started["container_id"]).start()
    assert server.box(dead)["state"] == server.box(gone)["state"] == "running"
    began = time.monotonic()
    server.wait_state(started["id"], "running", 45)
    server.wait_state(dead, "stopped", 45)
    server.wait_state(gone, "stopped", 45)
    assert time.monotonic() - began < 45
    server.wait_state(started["id"], "stopped", 20)
    assert client.containers.get(started["container_id"]).status == "exited"
    for id in (dead, gone):
        with server.connect(id) as terminal:
            assert terminal.run("ls /app") == "main.py\n"


def test_only_containers_of_ours_without_a_dockbox_are_removed(
    server: Server, engine: Engine, rows: Rows, url: str
) -> None:
    containers = engine.client().containers
    box = server.create(url)
    ours = containers.get(box["container_id"]).labels["dockbox.installation"]
    lost = {"dockbox.installation": ours, "dockbox.id": "5e0a0a4c-0000-4000-8000-000000000000"}

    def make(name: str, labels: dict[str, str]) -> str:
        made = containers.create(images.SH, ["sleep", "1000"], name=name, labels=labels)
        made.start()
        return name

    foreign = {
        make("theirs", {**lost, "dockbox.installation": "another"}),
        make("dockbox-5e0a0a4c-0000-4000-8000-000000000001", {}),
        make("plain", {"dockbox.id": box["id"]}),
    }
    with suppress(APIError):  # a comparison that comes in between takes it at once
        make("dockbox-" + lost["dockbox.id"], lost)
    rows.age(20)
    kept = foreign | {f"dockbox-{box['id']}"}

    eventually(lambda: set(engine.containers()) == kept, 30, "the lost one gone")
    assert set(engine.containers(all=False)) == foreign


def test_an_idle_connection_does_not_hold_up_an_orderly_end(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("GET", "/health")
        assert connection.getresponse().read() == b"Server Functional!"
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 20  # gunicorn's own patience is 30
    finally:
        connection.close()
