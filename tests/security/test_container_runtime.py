"""CONTAINER_RUNTIME reaches Docker, and one that Docker does not have is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import SERVERS
from ..support import images
from ..support.engine import Engine
from ..support.processes import program
from ..support.run import Run
from ..support.traces import nothing_left
from ..support.world import World, sqlite

OTHER = "other"  # runc by another name: gVisor's runsc is not everywhere


@pytest.fixture(scope="module")
def two_runtimes(run: Run) -> Iterator[Engine]:
    engine = Engine(run, "runtimes", ("--add-runtime", f"{OTHER}={program('runc', 'runc')}"))
    engine.start()
    try:
        engine.import_image(images.BASH)
        yield engine
    finally:
        engine.close()


@pytest.fixture
def world(
    request: pytest.FixtureRequest, run: Run, two_runtimes: Engine, tmp_path: Path
) -> Iterator[World]:
    with sqlite() as database:
        world = World(
            run, two_runtimes, tmp_path, database, web_concurrency=1,
            container_runtime=request.param,
        )  # fmt: skip
        request.node.stash[SERVERS] = [world.server]
        world.server.start()
        yield world
        world.clean()
        world.close()


@pytest.mark.parametrize("world", [OTHER], indirect=True)
def test_containers_have_the_runtime_of_the_setting(world: World) -> None:
    box = world.server.create(world.archive())
    with world.server.connect(box["id"]) as terminal:
        assert terminal.run("echo runs", 30) == "runs\n"
        api = world.engine.client().api
        assert api.inspect_container(box["container_id"])["HostConfig"]["Runtime"] == OTHER


@pytest.mark.parametrize("world", ["nothing-such"], indirect=True)
def test_a_runtime_that_docker_does_not_have_is_told(world: World) -> None:
    answer = world.server.post("/v1/dockbox", json={"url": world.archive()})
    assert (answer.status_code, answer.json()["code"]) == (502, "runtime_failed")
    assert "CONTAINER_RUNTIME" in answer.json()["error"]
    nothing_left(world.server, world.engine)
