"""Creating dockboxes: what is fetched, which image it gets, and what ends it early.

On PostgreSQL, where two creations at once are really at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ..conftest import SERVERS
from ..support import images
from ..support.engine import Engine
from ..support.events import Events
from ..support.postgres import Postgres
from ..support.processes import free_port
from ..support.registry import Registry
from ..support.run import Run
from ..support.server import Server
from ..support.site import Site, git
from ..support.throttle import Throttle
from ..support.traces import nothing_left, things, traces
from ..support.world import World

MOST = 4
TABLE = f"""default = "{images.BASH}"
[languages]
python = "dockbox-test/python:3"
go = "dockbox-test/go:1"
"""


@pytest.fixture(scope="module")
def world(run: Run, engine: Engine, postgres: Postgres, tmp_path_factory: Any) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("create")
    world = World(run, engine, folder, postgres.database(), max_dockboxes=MOST)
    world.images_file.write_text(TABLE)
    world.server.start()
    yield world
    world.close()


@pytest.fixture
def server(request: pytest.FixtureRequest, world: World) -> Server:
    request.node.stash[SERVERS] = [world.server]
    world.clean()
    return world.server


@pytest.fixture
def order(server: Server, world: World) -> dict[str, Any]:
    """What creates a dockbox quickly."""
    return {"url": world.archive("plain", {"note.txt": "hello\n"})}


def failed(answer: Any, status: int, code: str) -> str:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    return str(answer.json()["error"])


# --- what is fetched ----------------------------------------------------------------------


def history(site: Site, name: str) -> dict[str, str]:
    """A repository whose file says which commit it is of; the commit of each ref."""
    site.repository(name, {"which": "first", "sub/folder/which": "below"})
    work = site.repos / f"{name}.git"
    found = {"first": git(work, "rev-parse", "HEAD").strip()}
    git(work, "tag", "v1.0")
    for ref in ("feature/x", "pull", "trunk"):
        git(work, "checkout", "-q", *(["-b"] if ref != "trunk" else []), ref)
        site.repository(name, {"which": ref})
        found[ref] = git(work, "rev-parse", "HEAD").strip()
    git(work, "update-ref", "refs/pull/7/head", found["pull"])
    git(work, "branch", "-q", "-D", "pull")
    return found


def test_every_kind_of_ref_is_fetched(server: Server, world: World) -> None:
    commits = history(world.site, "refs")
    url = f"{world.site.url}/refs.git"
    for asked, shown, content in (
        ({}, "trunk", "trunk"),
        ({"ref": "feature/x"}, "feature/x", "feature/x"),
        ({"ref": "v1.0"}, "v1.0", "first"),
        ({"ref": commits["first"]}, commits["first"], "first"),
        ({"ref": "refs/pull/7/head"}, "refs/pull/7/head", "pull"),
    ):
        box = server.create(url, **asked)
        assert (box["ref"], box["commit"]) == (shown, commits[content])
        assert (server.mount / box["id"] / "which").read_text() == content
        server.delete(f"/v1/dockbox/{box['id']}")
    box = server.create(f"{url}?ref=feature/x")
    assert (box["source"], box["commit"]) == (url, commits["feature/x"])


def test_a_subdir_is_all_there_is(server: Server, world: World) -> None:
    history(world.site, "parts")
    url = f"{world.site.url}/parts.git"
    archive = world.archive("parts", {"parts-1/sub/folder/which": "below", "parts-1/which": ""})
    for box in (
        server.create(url, subdir="sub/folder"),
        server.create(f"{url}//sub/folder"),
        server.create(archive, subdir="sub/folder"),
    ):
        assert box["subdir"] == "sub/folder"
        assert (server.mount / box["id"] / "which").read_text() == "below"
    answer = server.post("/v1/dockbox", json={"url": url, "subdir": "nowhere"})
    assert answer.status_code == 400


def test_an_archive_has_neither_commit_nor_ref(server: Server, world: World) -> None:
    box = server.create(world.archive("tool", {"tool-1.0/a": "1", "tool-1.0/b/c": "2"}))
    assert (box["commit"], box["ref"]) == (None, None)
    assert (server.mount / box["id"] / "b/c").read_text() == "2"


# --- which image --------------------------------------------------------------------------


def test_the_files_choose_the_image(server: Server, world: World, engine: Engine) -> None:
    for name, tag in (("python", "3"), ("go", "1")):
        engine.client().api.tag(images.SH, f"dockbox-test/{name}", tag)
    for files, language, image in (
        ({"pyproject.toml": "", "a.py": "1", "b.js": "x" * 999}, "python", "dockbox-test/python:3"),
        ({"go.mod": "module a\n", "main.go": "package main\n"}, "go", "dockbox-test/go:1"),
        ({"main.rs": "fn main() {}\n"}, "rust", images.BASH),
        ({"picture": b"\x89PNG\0\0\xff"}, None, images.BASH),
    ):
        box = server.create(world.archive("language", files))
        assert (box["language"], box["image"]) == (language, image)
        found = engine.client().api.inspect_container(box["container_id"])
        assert found["Config"]["Image"] == image


def test_an_image_may_be_asked_for(server: Server, engine: Engine, order: dict[str, Any]) -> None:
    box = server.create(**order, image=images.SH)
    assert box["image"] == images.SH
    server.delete(f"/v1/dockbox/{box['id']}")
    for image in ("alpine:3", "evil.example/dockbox-test/bash:1", "127.0.0.2:5000/a:1"):
        failed(server.post("/v1/dockbox", json={**order, "image": image}), 403, "image_forbidden")
    for image in ("no such!", "UPPER", "a:b:c", "../x", "-v", "http://me:pw@host/x", "x\ny"):
        said = failed(
            server.post("/v1/dockbox", json={**order, "image": image}), 400, "bad_request"
        )
        assert "pw" not in said
    nothing_left(server, engine, timeout=0)


def test_a_missing_image_is_pulled_with_progress(
    server: Server, world: World, engine: Engine, registry: Registry, order: dict[str, Any]
) -> None:
    throttle = Throttle(registry.address, pace=0.03)
    name = pushed(engine, registry, throttle, os.urandom(3 * 2**20))
    with world.site.shut():
        answer = server.post(
            "/v1/dockbox", json={**order, "image": name}, headers={"Prefer": "respond-async"}
        )
        events = Events(server, answer.json()["id"])
        events.until("state", state="creating")
    with events:
        box = events.until("state", state="stopped")
    assert box["image"] == name
    steps = [data for kind, data in events.seen if kind == "progress"]
    percents = [one["percent"] for one in steps if one["step"] == "Pulling image"]
    told = [percent for percent in percents if percent is not None]
    assert percents and percents[0] is None and told == sorted(told)
    assert told and 0 < told[-1] <= 100
    throttle.cut()


def pushed(engine: Engine, registry: Registry, throttle: Throttle, content: bytes) -> str:
    """An image that only the registry has, by its name behind the proxy."""
    made = engine.import_image("dockbox-test/pushed:1", images.SH, {"content": content})
    name = registry.push(engine.client(), made)
    engine.client().api.remove_image(made)
    return name.replace(registry.address, throttle.netloc)


@pytest.mark.parametrize("why", ["unknown", "dead"])
def test_a_pull_that_fails_is_502_and_leaves_nothing(
    server: Server, engine: Engine, registry: Registry, order: dict[str, Any], why: str
) -> None:
    image = f"{registry.address}/dockbox-test/nothing:9"
    if why == "dead":
        image = f"127.0.0.1:{free_port()}/dockbox-test/nothing:9"
    said = failed(
        server.post("/v1/dockbox", json={**order, "image": image}), 502, "image_unavailable"
    )
    assert image in said
    nothing_left(server, engine, timeout=0)
    answer = server.post(
        "/v1/dockbox", json={**order, "image": image}, headers={"Prefer": "wait=0"}
    )
    assert answer.status_code == 202
    box = server.wait_state(answer.json()["id"], "failed", 60)
    assert image in box["error"]
    assert (box["container_id"], box["stops_at"], things(server, engine)) == (None, None, [])
    assert server.delete(f"/v1/dockbox/{box['id']}").status_code == 204
    nothing_left(server, engine, timeout=0)


# --- the rest of an order -----------------------------------------------------------------


def test_a_name_can_be_given_once(server: Server, engine: Engine, order: dict[str, Any]) -> None:
    box = server.create(**order, name="mine", idle_timeout=7)
    assert (box["custom_id"], box["idle_timeout"]) == ("mine", 7)
    failed(server.post("/v1/dockbox", json={**order, "name": "mine"}), 409, "name_taken")
    assert len(traces(server, engine)) == 3  # files, container and row of the first
    server.delete("/v1/dockbox/mine")
    assert server.create(**order, name="mine")["id"] != box["id"]
    assert server.box("mine")["idle_timeout"] == 60


def test_no_more_are_made_than_allowed(
    server: Server, engine: Engine, order: dict[str, Any]
) -> None:
    with ThreadPoolExecutor(3 * MOST) as pool:  # at once, by both workers
        answers = list(pool.map(lambda _: server.post("/v1/dockbox", json=order), range(3 * MOST)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [201] * MOST + [429] * (2 * MOST)
    last = server.post("/v1/dockbox", json=order)
    failed(last, 429, "quota_exceeded")
    assert int(last.headers["Retry-After"]) > 0
    first = next(answer for answer in answers if answer.status_code == 201).json()
    server.delete(f"/v1/dockbox/{first['id']}")
    server.create(**order)
    assert len(traces(server, engine)) == 3 * MOST


@pytest.mark.parametrize("when", ["fetch", "download", "pull"])
def test_a_delete_ends_a_creation(
    server: Server, world: World, engine: Engine, registry: Registry, order: dict[str, Any],
    when: str,
) -> None:  # fmt: skip
    if when == "pull":
        throttle = Throttle(registry.address, most=2**20)
        order["image"] = pushed(engine, registry, throttle, os.urandom(2 * 2**20))
    else:
        throttle = Throttle(world.site.netloc, most=2**19)
        big = {"big": os.urandom(2**21)}
        url = world.site.repository("big", big) if when == "fetch" else world.archive("big", big)
        order["url"] = url.replace(world.site.netloc, throttle.netloc)
    waiting = ThreadPoolExecutor(1).submit(server.post, "/v1/dockbox", json=order)
    assert throttle.holding.wait(60)
    box = server.get("/v1/dockbox?state=creating").json()["items"][0]
    with Events(server, box["id"]) as events:
        events.until("state", state="creating")
        assert server.delete(f"/v1/dockbox/{box['id']}").status_code == 204
        nothing_left(server, engine, timeout=0)
        assert events.until("deleted")
    assert waiting.result(30).status_code in (404, 409)
    assert Path(server.mount).exists()
    throttle.cut()
