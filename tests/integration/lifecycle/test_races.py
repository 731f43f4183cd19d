"""Several at once who want the same dockbox, or want it gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import TypeVar

import pytest
from websocket import WebSocketBadStatusException, WebSocketException

from ...support.engine import Engine
from ...support.internals import Rows, on_two_workers
from ...support.server import Server
from ...support.terminal import Closed, Terminal
from ...support.waiting import eventually

Result = TypeVar("Result")


def at_once(calls: Sequence[Callable[[], Result]]) -> list[Result]:
    """What ``calls`` return, made at the same time."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [job.result() for job in [pool.submit(call) for call in calls]]


def starts(engine: Engine, container: str, since: float) -> int:
    """How often the engine has started it."""
    filters = {"event": "start", "container": container}
    events = engine.client().events(
        since=since, until=time.time() + 0.1, decode=True, filters=filters
    )
    return len(list(events))


def nothing_is_left(ids: list[str], server: Server, engine: Engine, rows: Rows) -> None:
    made = {f"dockbox-{id}" for id in ids}
    assert not made & set(engine.containers())
    assert not set(ids) & {id for (id,) in rows("SELECT id FROM dockboxes")}
    assert not set(ids) & {path.name for path in server.mount.iterdir()}


def test_twenty_who_come_at_once_share_one_start(server: Server, engine: Engine, url: str) -> None:
    id = server.create(url, idle_timeout=0)["id"]
    began = time.time()
    with ExitStack() as stack:
        terminals = at_once([lambda: server.connect(id)] * 20)
        for terminal in terminals:
            stack.enter_context(terminal)
        terminals[0].send(b"echo $((6*7))all\r")
        for terminal in terminals:
            terminal.read_until(b"42all", 30)
        eventually(lambda: server.box(id)["connections"] == 20, 10, "20 connections")
        assert starts(engine, f"dockbox-{id}", began) == 1
        assert len(engine.containers(id)) == 1
    eventually(lambda: server.box(id)["connections"] == 0, 10, "no connection")
    server.wait_state(id, "stopped")


def test_several_stops_at_once_are_one(server: Server, url: str) -> None:
    id = server.create(url)["id"]
    with on_two_workers(server, id) as terminals:

        def stop() -> tuple[int, str]:
            answer = server.post(f"/v1/dockbox/{id}/stop")
            return answer.status_code, answer.json()["state"]

        assert at_once([stop] * 6) == [(200, "stopped")] * 6
        assert [terminal.close_code()[0] for terminal in terminals] == [1000, 1000]


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_several_deletes_at_once_are_one(
    server: Server, engine: Engine, rows: Rows, url: str, state: str
) -> None:
    boxes = [server.create(url)["id"] for _ in range(2)]
    with ExitStack() as stack:
        for id in boxes:
            terminal = stack.enter_context(server.connect(id))
            terminal.run("echo here")
            if state == "stopped":
                server.post(f"/v1/dockbox/{id}/stop")
        for id in boxes:
            codes = at_once([lambda id=id: server.delete(f"/v1/dockbox/{id}").status_code] * 5)
            assert 204 in codes and set(codes) <= {204, 404}
    nothing_is_left(boxes, server, engine, rows)


def visit(server: Server, id: str) -> str:
    """Connect and type until the end comes; how it came."""
    try:
        terminal: Terminal = server.connect(id)
    except WebSocketBadStatusException as refused:
        return f"refused {refused.status_code}"
    with terminal, suppress(WebSocketException, OSError):
        terminal.send(b"echo hello\r")
        try:
            return f"closed {terminal.close_code(30)[0]}"
        except Closed as closed:
            return f"closed {closed.code}"
    return "gone"


def test_connecting_and_deleting_at_once_leaves_nothing(
    server: Server, engine: Engine, rows: Rows, url: str
) -> None:
    ends: set[str] = set()
    boxes: list[str] = []
    logged = len(server.log())
    for pause in (0.0, 0.0, 0.01, 0.03, 0.06, 0.1, 0.2, 0.4):
        id = server.create(url)["id"]
        boxes.append(id)
        with ThreadPoolExecutor(4) as pool:
            visits = [pool.submit(visit, server, id) for _ in range(3)]
            time.sleep(pause)
            code = pool.submit(lambda id=id: server.delete(f"/v1/dockbox/{id}").status_code)
            assert code.result() == 204
            ends |= {job.result() for job in visits}
    assert ends <= {"refused 404", "closed 1000", "gone"}
    nothing_is_left(boxes, server, engine, rows)
    assert "unexpected error" not in server.log()[logged:]
    assert " died" not in server.log()[logged:]


def test_stopping_and_connecting_at_once_ends_in_a_state_that_is_true(
    server: Server, engine: Engine, url: str
) -> None:
    box = server.create(url)
    for pause in (0.0, 0.02, 0.1, 0.3):
        with ThreadPoolExecutor(4) as pool:
            terminals = [pool.submit(server.connect, box["id"]) for _ in range(2)]
            time.sleep(pause)
            stop = pool.submit(lambda: server.post(f"/v1/dockbox/{box['id']}/stop").status_code)
            assert stop.result() == 200
            for job in terminals:
                job.result().close()
    container = engine.client().containers.get(box["container_id"])
    # one who came after the last stop, and left, may have started it once more
    eventually(
        lambda: (
            container.reload()
            or (server.box(box["id"])["state"], container.status) == ("stopped", "exited")
        ),
        30,
        "the end",
    )
    with server.connect(box["id"]) as terminal:
        assert terminal.run("echo hello") == "hello\n"
