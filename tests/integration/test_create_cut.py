"""Creations whose server ends in the middle."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from ..conftest import SERVERS
from ..support import images
from ..support.engine import Engine
from ..support.events import Events
from ..support.postgres import Postgres
from ..support.processes import working_in
from ..support.registry import Registry
from ..support.run import Run
from ..support.throttle import Throttle
from ..support.traces import nothing_left, things
from ..support.world import World, sqlite

MORE = {"Prefer": "respond-async"}
DEEDS = ["stop", "kill-sqlite", "kill-postgres"]  # the longest first


@dataclass
class Cut:
    """A server with two creations, held in the middle of the fetch and of the pull."""

    world: World
    fetch: Throttle
    pull: Throttle
    boxes: dict[str, str]  # what was going on: the dockbox

    def hold(self) -> None:
        assert self.fetch.holding.wait(60) and self.pull.holding.wait(60)


def begin(world: World, registry: Registry, stack: ExitStack) -> Cut:
    image = new_image(world.engine, registry)
    fetch = Throttle(world.site.netloc, most=2**19)
    pull = Throttle(registry.address, most=2**20)
    stack.callback(fetch.cut)
    stack.callback(pull.cut)
    big = world.site.repository("big", {"big": os.urandom(2**21)})
    orders = {
        "fetch": {"url": big.replace(world.site.netloc, fetch.netloc)},
        "pull": {"url": world.archive(), "image": image.replace(registry.address, pull.netloc)},
    }
    boxes = {}
    for what, order in orders.items():
        answer = world.server.post("/v1/dockbox", json=order, headers=MORE)
        assert answer.status_code == 202
        boxes[what] = answer.json()["id"]
    return Cut(world, fetch, pull, boxes)


def new_image(engine: Engine, registry: Registry) -> str:
    # of its own each time: Docker joins pulls of the same layer
    made = engine.import_image("dockbox-test/big:1", images.SH, {"big": os.urandom(2**21)})
    name = registry.push(engine.client(), made)
    engine.client().api.remove_image(made)
    return name


@pytest.fixture(scope="module")
def cuts(
    run: Run, engine: Engine, postgres: Postgres, registry: Registry, tmp_path_factory: Any
) -> Iterator[dict[str, Cut]]:
    """All done at once, since each is half a minute of waiting."""
    cuts: dict[str, Cut] = {}
    with ExitStack() as stack:
        for deed in DEEDS:
            database = postgres.database()
            if deed == "kill-sqlite":
                database = stack.enter_context(sqlite())
            folder = tmp_path_factory.mktemp(deed)
            world = World(run, engine, folder, database, web_concurrency=1)
            stack.callback(world.close)
            world.server.start()
            cuts[deed] = begin(world, registry, stack)
        for deed, cut in cuts.items():
            cut.hold()
            if deed == "stop":
                assert cut.world.server.process
                cut.world.server.process.send_signal(signal.SIGTERM)
            else:
                cut.world.server.kill_worker(cut.world.server.worker_pids()[0])
        yield cuts


def test_a_creation_is_finished_before_the_server_ends(
    cuts: dict[str, Cut], run: Run, engine: Engine, tmp_path: Any, request: pytest.FixtureRequest
) -> None:
    # while the others, of ``cuts``, wait for their ends
    with sqlite() as database, ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        world = World(run, engine, tmp_path, database, web_concurrency=1)
        stack.callback(world.close)
        server = world.server
        request.node.stash[SERVERS] = [server]
        server.start()
        throttle = Throttle(world.site.netloc, most=0)
        order = {"url": world.archive().replace(world.site.netloc, throttle.netloc)}
        waiting = pool.submit(server.post, "/v1/dockbox", json=order)
        assert throttle.holding.wait(30)
        id = server.get("/v1/dockbox").json()["items"][0]["id"]
        with Events(server, id) as events:
            events.until("state")
            ended = pool.submit(server.stop)
            while events.next():  # a stream does not hold up the end
                pass
            assert "deleted" not in [kind for kind, _ in events.seen]
        assert not ended.done()
        throttle.let_go()
        answer = waiting.result(60)
        assert (answer.status_code, answer.json()["state"]) == (201, "stopped")
        ended.result(60)
        server.start()
        assert server.box(id)["container_id"] == answer.json()["container_id"]
        with server.connect(id) as terminal:
            assert terminal.run("cat main.py", timeout=30) == "print('hello')\n"
        throttle.cut()


@pytest.mark.parametrize("deed", DEEDS)
def test_a_creation_that_is_cut_off_has_failed_and_left_nothing(
    cuts: dict[str, Cut], deed: str, engine: Engine, request: pytest.FixtureRequest
) -> None:
    cut = cuts[deed]
    server = cut.world.server
    request.node.stash[SERVERS] = [server]
    if deed == "stop":
        assert server.process
        assert server.process.wait(60) == 0
        assert things(server, engine) == []  # cleared away by the one that ended
        server.start()
    else:
        assert not working_in(server.mount), "git is still at work for nobody"
    for id in cut.boxes.values():
        box = server.wait_state(id, "failed", 60)
        assert "restarted while the dockbox was being created" in box["error"]
        assert (box["container_id"], box["stops_at"]) == (None, None)
    assert things(server, engine) == []
    cut.fetch.let_go()
    cut.pull.let_go()
    fresh = server.create(cut.world.archive())
    for id in (*cut.boxes.values(), fresh["id"]):
        assert server.delete(f"/v1/dockbox/{id}").status_code == 204
    nothing_left(server, engine, timeout=0)
