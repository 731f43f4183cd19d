"""The API of one server with two workers, on both databases."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import pytest

from ..conftest import SERVERS
from ..support import images
from ..support.engine import Engine
from ..support.events import Events
from ..support.run import Run
from ..support.server import Server
from ..support.throttle import Throttle
from ..support.traces import dump, nothing_left
from ..support.waiting import eventually
from ..support.world import World, sqlite

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture(scope="module", params=DATABASES)
def world(
    request: pytest.FixtureRequest, run: Run, engine: Engine, tmp_path_factory: Any
) -> Iterator[World]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            database = stack.enter_context(sqlite())
        else:
            database = request.getfixturevalue("postgres").database()
        world = World(run, engine, tmp_path_factory.mktemp("api"), database)
        stack.callback(world.close)
        world.server.start()
        yield world


@pytest.fixture
def server(request: pytest.FixtureRequest, world: World) -> Server:
    """The server, without any dockbox."""
    request.node.stash[SERVERS] = [world.server]
    world.clean()
    return world.server


@pytest.fixture
def box(server: Server, world: World) -> dict[str, Any]:
    return server.create(world.archive())


def when(text: str) -> float:
    assert TIME.fullmatch(text), text
    return datetime.fromisoformat(text).timestamp()


# --- for operators ------------------------------------------------------------------------


def test_the_server_greets_and_says_that_it_is_well(server: Server) -> None:
    assert server.get("/").json() == {"message": "Hello from dockbox API"}
    health = server.get("/health")
    assert (health.status_code, health.text) == (200, "Server Functional!")
    assert health.headers["Content-Type"].startswith("text/plain")
    assert server.get("/ready").json() == {"database": "ok", "docker": "ok"}


def test_every_worker_gives_the_same_metrics(server: Server, box: dict[str, Any]) -> None:
    server.wait_state(box["id"], "stopped")
    wanted = (
        'dockbox_dockboxes{state="running"} 1.0',
        'dockbox_dockboxes{state="stopped"} 0.0',
        "dockbox_connections 1.0",
        "dockbox_workers 2.0",
    )
    with server.connect(box["id"]) as terminal:
        terminal.run("true", timeout=30)
        eventually(lambda: "dockbox_workers 2.0" in server.get("/metrics").text, 20)
        for _ in range(12):  # connections of their own, so both workers answer some
            answer = server.get("/metrics")
            assert answer.status_code == 200
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            assert set(wanted) <= set(answer.text.splitlines())


# --- create -------------------------------------------------------------------------------


def test_a_create_answers_with_the_whole_resource(server: Server, world: World) -> None:
    url = world.site.repository("hello", {"src/main.py": "print('hello')\n"})
    before = time.time()
    answer = server.post("/v1/dockbox", json={"url": url, "subdir": "src", "idle_timeout": 77})
    assert answer.status_code == 201
    box = answer.json()
    assert answer.headers["Location"] == f"/v1/dockbox/{box['id']}"
    assert box.pop("message") == "Successfully created dockbox"
    assert server.get(answer.headers["Location"]).json() == box
    assert uuid.UUID(box["id"]).version == 4
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,63}", box["custom_id"])
    assert re.fullmatch(r"[0-9a-f]{64}", box["container_id"])
    assert re.fullmatch(r"[0-9a-f]{40}", box["commit"])
    made, modified = when(box.pop("created_at")), when(box.pop("last_modified"))
    assert before - 2 < made <= modified < time.time() + 2
    for name in ("id", "custom_id", "container_id", "commit"):
        box[name] = type(box[name])
    assert box == {
        "id": str, "custom_id": str, "container_id": str, "source": url, "ref": "trunk",
        "commit": str, "subdir": "src", "image": images.BASH, "language": "python",
        "state": "stopped", "error": None, "connections": 0, "idle_timeout": 77,
        "stops_at": None, "websocket": f"/v1/dockbox/ws/{answer.json()['id']}",
    }  # fmt: skip


@pytest.mark.parametrize("prefer", ["respond-async", "wait=0", "Wait=0"])
def test_a_create_that_is_not_waited_for_goes_on(server: Server, world: World, prefer: str) -> None:
    throttle = Throttle(world.site.netloc, most=0)
    url = world.archive().replace(world.site.netloc, throttle.netloc)
    answer = server.post("/v1/dockbox", json={"url": url}, headers={"Prefer": prefer})
    assert (answer.status_code, answer.json()["state"]) == (202, "creating")
    box = server.get(answer.headers["Location"]).json()
    assert (box["container_id"], box["error"]) == (None, None)
    with Events(server, box["id"]) as events:
        assert events.until("state")["state"] == "creating"
        throttle.let_go()
        done = events.until("state", state="stopped")
    assert done["container_id"]
    assert server.box(box["id"]) == done
    throttle.cut()


def test_a_create_is_waited_for_as_long_as_preferred(server: Server, world: World) -> None:
    throttle = Throttle(world.site.netloc, most=0)
    body = {"url": world.archive().replace(world.site.netloc, throttle.netloc)}
    began = time.monotonic()
    answer = server.post("/v1/dockbox", json=body, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["state"]) == (202, "creating")
    assert 1 <= time.monotonic() - began < 20
    throttle.let_go()
    server.wait_state(answer.json()["id"], "stopped")
    answer = server.post("/v1/dockbox", json=body, headers={"Prefer": "wait=50"})
    assert (answer.status_code, answer.json()["state"]) == (201, "stopped")
    throttle.cut()


# --- list, get, change --------------------------------------------------------------------


def test_a_list_is_paged_without_gaps_or_doubles(server: Server, world: World) -> None:
    url = world.archive()
    made = [server.create(url)["id"] for _ in range(5)][::-1]
    first = server.get("/v1/dockbox?limit=2").json()
    assert [box["id"] for box in first["items"]] == made[:2]
    server.create(url)  # what comes in front moves nothing
    server.delete(f"/v1/dockbox/{made[1]}")  # nor does the end of the last one seen
    second = server.get("/v1/dockbox", params={"limit": 2, "after": first["next"]}).json()
    assert [box["id"] for box in second["items"]] == made[2:4]
    third = server.get("/v1/dockbox", params={"limit": 2, "after": second["next"]}).json()
    assert [box["id"] for box in third["items"]] == made[4:]
    assert third["next"] is None
    whole = server.get("/v1/dockbox?limit=5").json()
    assert (len(whole["items"]), whole["next"]) == (5, None)
    assert whole["items"][1] == server.box(made[0])


def test_a_list_may_be_of_one_state(server: Server, world: World) -> None:
    running, stopped = (server.create(world.archive())["id"] for _ in range(2))
    with server.connect(running) as terminal:
        terminal.run("true", timeout=30)
        for state, ids in (("running", [running]), ("stopped", [stopped]), ("failed", [])):
            found = server.get("/v1/dockbox", params={"state": state, "limit": 1}).json()
            assert ([box["id"] for box in found["items"]], found["next"]) == (ids, None)


def test_a_dockbox_is_found_by_both_ids(server: Server, box: dict[str, Any]) -> None:
    del box["message"]
    for key in (box["id"], box["id"].upper(), box["custom_id"]):
        assert server.box(key) == box


def test_a_dockbox_can_be_renamed(server: Server, world: World, box: dict[str, Any]) -> None:
    old, other = box["custom_id"], server.create(world.archive(), name="other")
    path = f"/v1/dockbox/{box['id']}"
    answer = server.patch(path, json={"name": "Mine_1-a"})
    assert (answer.status_code, answer.json()["custom_id"]) == (200, "Mine_1-a")
    assert server.box("Mine_1-a") == answer.json()
    assert server.get(f"/v1/dockbox/{old}").status_code == 404
    assert server.patch(path, json={"name": "Mine_1-a"}).status_code == 200  # its own
    answer = server.patch(path, json={"name": "other", "idle_timeout": 5})
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert server.box(box["id"])["idle_timeout"] == 60  # all or nothing
    assert server.box("other")["id"] == other["id"]


def test_a_new_idle_timeout_moves_the_stop(server: Server, box: dict[str, Any]) -> None:
    path = f"/v1/dockbox/{box['id']}"
    answer = server.patch(path, json={"idle_timeout": 500})
    assert (answer.json()["idle_timeout"], answer.json()["stops_at"]) == (500, None)
    with server.connect(box["id"]) as terminal:
        terminal.run("true", timeout=30)
        assert server.box(box["id"])["stops_at"] is None
    queued = eventually(lambda: server.box(box["id"])["stops_at"], 20)
    moved = server.patch(path, json={"idle_timeout": 1000}).json()
    assert when(moved["stops_at"]) - when(queued) == pytest.approx(500, abs=0.01)
    server.patch(path, json={"idle_timeout": 0})
    assert server.wait_state(box["id"], "stopped")["stops_at"] is None


# --- stop, resize, events, delete ---------------------------------------------------------


def test_stop_ends_the_container_and_keeps_the_rest(
    server: Server, engine: Engine, box: dict[str, Any]
) -> None:
    with server.connect(box["id"]) as terminal:
        terminal.run("echo kept > /app/note; touch /root/inside", timeout=30)
        answer = server.post(f"/v1/dockbox/{box['id']}/stop")
        assert (answer.status_code, answer.json()["state"]) == (200, "stopped")
        assert terminal.close_code()[0] == 1000
    assert engine.client().api.inspect_container(box["container_id"])["State"]["Running"] is False
    assert (server.mount / box["id"] / "note").read_text() == "kept\n"
    again = server.post(f"/v1/dockbox/{box['custom_id']}/stop")
    assert (again.status_code, again.json()["state"]) == (200, "stopped")
    with server.connect(box["id"]) as terminal:
        assert "/root/inside" in terminal.run("cat /app/note; ls /root/*", timeout=30)


def test_resize_is_for_running_dockboxes(server: Server, box: dict[str, Any]) -> None:
    path = f"/v1/dockbox/{box['id']}/resize"
    answer = server.post(path, json={"rows": 31, "cols": 99})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_running")
    with server.connect(box["id"]) as terminal:
        terminal.run("true", timeout=30)

        def resized() -> bool:  # Docker may forget one of just after the start
            answer = server.post(path, json={"rows": 31, "cols": 99})
            assert (answer.status_code, answer.content) == (204, b"")
            return terminal.run("stty size") == "31 99\n"

        eventually(resized, what="the size")
        for size in ({"rows": 0, "cols": 9}, {"rows": 9}, {"rows": "x", "cols": 9}, {}, [9, 9]):
            assert server.post(path, json=size).status_code == 400
        for size in ({"rows": 10**9, "cols": 9}, {"rows": 9, "cols": 1.5}, {"rows": True}):
            assert server.post(path, json=size).status_code == 400


def test_events_are_a_stream_until_the_end(server: Server, box: dict[str, Any]) -> None:
    with Events(server, box["custom_id"]) as events:
        assert events.answer.headers["Content-Type"].startswith("text/event-stream")
        first = events.until("state")
        assert first == server.box(box["id"])
        server.patch(f"/v1/dockbox/{box['id']}", json={"name": "renamed"})
        assert events.until("state")["custom_id"] == "renamed"
        with server.connect(box["id"]) as terminal:
            terminal.run("true", timeout=30)
            assert events.until("state", connections=1)["state"] == "running"
        assert events.until("state", connections=0)["stops_at"]
        server.post(f"/v1/dockbox/{box['id']}/stop")
        events.until("state", state="stopped")
        server.delete(f"/v1/dockbox/{box['id']}")
        assert events.until("deleted") == {"id": box["id"]}
        assert events.next() is None


def test_a_delete_leaves_nothing(server: Server, engine: Engine, box: dict[str, Any]) -> None:
    path = f"/v1/dockbox/{box['id']}"
    with server.connect(box["id"]) as terminal:
        terminal.run("mkdir -m 700 /app/deep; touch /app/deep/file", timeout=30)
        assert server.delete(path).status_code == 204
        nothing_left(server, engine, timeout=0)
        assert terminal.close_code()[0] == 1000
    assert server.delete(path).status_code == 404
    assert server.get(path).status_code == 404
    assert box["id"] not in server.get("/v1/dockbox").text


def test_no_credential_of_a_source_is_kept_or_told(
    server: Server, world: World, engine: Engine
) -> None:
    world.site.repository("secret", {"main.py": "1\n"})
    netloc = f"me:s3cret@{world.site.netloc}"
    box = server.create(f"http://{netloc}/private/secret.git")
    assert box["source"] == f"http://{world.site.netloc}/private/secret.git"
    tgz = world.archive().replace("http://", "http://you:s3cret@")
    server.create(f"{tgz}?api_key=s3cret&v=1")
    wrong = server.post(
        "/v1/dockbox", json={"url": f"http://{netloc.replace('t@', 't2@')}/private/secret.git"}
    )
    assert wrong.status_code == 400
    with Events(server, box["id"]) as events:
        events.until("state")
    told = [wrong.text, server.get("/v1/dockbox").text, str(events.seen), str(box)]
    told.append(str(engine.client().api.inspect_container(box["container_id"])))
    files = [f.read_bytes() for f in (server.mount / box["id"]).rglob("*") if f.is_file()]
    kept = [dump(server.settings), server.log(), *(data.decode("latin-1") for data in files)]
    for text in told + kept:
        assert "s3cret" not in text
        assert "bWU6czNjcmV0" not in text  # base64 of the login
