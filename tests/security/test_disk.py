"""Dockboxes that fill the disk, in each way that there is, are stopped and told why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import SERVERS
from ..support import images
from ..support.engine import Engine
from ..support.internals import Rows, on_two_workers
from ..support.run import Run
from ..support.server import Server
from ..support.waiting import eventually
from ..support.world import World, sqlite

MB = 2**20
BOUND = 48 * MB
SOON = 60  # seconds in which a filler is stopped, on a machine that has other things to do as well


class Watched(World):
    rows: Rows


@pytest.fixture(scope="module")
def world(run: Run, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with sqlite() as database:
        folder = tmp_path_factory.mktemp("disk")
        world = Watched(run, engine, folder, database, container_disk=BOUND, idle_timeout=600)
        world.rows = Rows(database)
        world.server.start()
        yield world
        world.close()


@pytest.fixture
def server(world: Watched, request: pytest.FixtureRequest) -> Iterator[Server]:
    request.node.stash[SERVERS] = [world.server]
    yield world.server
    world.clean()


@pytest.fixture
def box(world: Watched, server: Server) -> str:
    return str(server.create(world.archive())["id"])


def fill(where: str, megabytes: int = 60) -> bytes:
    return f"dd if=/dev/urandom of={where} bs=1M count={megabytes} 2>/dev/null\r".encode()


def looked_at(world: Watched, id: str) -> None:
    """Return when a running dockbox, which is below the bound, has been looked at once more."""
    world.rows("UPDATE dockboxes SET disk_bytes = 1 WHERE id = :id", id=id)
    below(world, id)
    assert world.server.box(id)["state"] == "running"


def below(world: Watched, id: str) -> None:
    """Wait until it was found to be below the bound, or was stopped."""
    left = "SELECT 1 FROM dockboxes WHERE id = :id AND state = 'running' AND disk_bytes > 0"
    eventually(lambda: not world.rows(left, id=id), SOON, "a look", every=0.1)


@pytest.mark.parametrize("where", ["/app/fill", "/fill", "/tmp/fill"])
def test_who_fills_the_disk_is_stopped_and_told(server: Server, box: str, where: str) -> None:
    with on_two_workers(server, box) as terminals:
        terminals[0].send(fill(where))
        for terminal in terminals:
            code, reason = terminal.close_code(SOON)
            assert code == 1011 and reason.startswith("The dockbox held "), reason
            assert "48 MiB are allowed" in reason and "connect to delete" in reason
    found = server.wait_state(box, "stopped")
    assert found["error"] == reason


def test_nobody_needs_to_be_connected(server: Server, box: str) -> None:
    with server.connect(box) as terminal:
        terminal.run(
            "(sleep 2; dd if=/dev/zero of=/app/fill bs=1M count=60) >/dev/null 2>&1 & :", 30
        )
    assert "held" in server.wait_state(box, "stopped", SOON)["error"]


def test_a_disk_without_room_for_files_is_full_too(server: Server, box: str) -> None:
    most = BOUND // (16 * 1024)
    with server.connect(box) as terminal:
        terminal.send(f"i=0; while [ $((i++)) -lt {most + 500} ]; do >/app/$i; done\r".encode())
        code, reason = terminal.close_code(SOON)
    assert code == 1011 and f"{most:,} are allowed" in reason


def test_nothing_is_too_deep_to_be_found(server: Server, box: str) -> None:
    """Below the longest path, where a walker by paths does not get."""
    with server.connect(box) as terminal:
        name = "x" * 200
        terminal.run(f"for i in $(seq 30); do mkdir {name} && cd -P {name} || break; done", 30)
        terminal.send(fill("fill"))
        assert terminal.close_code(SOON)[0] == 1011


def test_a_sparse_file_takes_no_room(world: Watched, server: Server, box: str) -> None:
    with server.connect(box) as terminal:
        sparse = "truncate -s 1000000000000 /app/sparse; stat -c %s /app/sparse"
        assert terminal.run(sparse) == f"{10**12}\n"
        looked_at(world, box)
        assert terminal.run("echo runs", 30) == "runs\n"


def test_who_comes_back_may_delete_but_not_fill(world: Watched, server: Server, box: str) -> None:
    other = str(server.create(world.archive())["id"])
    with server.connect(box) as terminal:
        terminal.send(fill("/app/fill"))
        assert terminal.close_code(SOON)[0] == 1011
    server.wait_state(box, "stopped")
    with server.connect(box) as terminal:
        assert terminal.run("ls -1 /app", 30) == "fill\nmain.py\n"
        assert server.box(box)["error"] is None
        with server.connect(other) as bystander:
            assert bystander.run("echo up", 30) == "up\n"
            for _ in range(3):  # in whose time the first has been looked at, too
                looked_at(world, other)
        assert terminal.run("echo runs") == "runs\n"
        terminal.send(fill("/app/more", 10))
        assert terminal.close_code(SOON)[0] == 1011
    server.wait_state(box, "stopped")
    with server.connect(box) as terminal:
        terminal.run("rm /app/fill /app/more; echo gone", 30)
        below(world, box)
        terminal.send(fill("/app/again"))
        assert terminal.close_code(SOON)[0] == 1011


def test_who_fills_it_again_and_again_is_not_let_in(
    world: Watched, server: Server, box: str
) -> None:
    world.rows("UPDATE dockboxes SET disk_bytes = :held WHERE id = :id", id=box, held=2**40)
    with server.connect(box) as terminal:
        code, reason = terminal.close_code(30)
    assert code == 1011 and "can only be deleted" in reason
    assert server.box(box)["state"] == "stopped"
    assert server.delete(f"/v1/dockbox/{box}").status_code == 204


def test_a_volume_of_the_image_counts(world: Watched, server: Server, engine: Engine) -> None:
    image = "dockbox-test/volume:1"
    made = engine.client().containers.create(images.BASH, ["sh"])
    made.commit("dockbox-test/volume", "1", changes="VOLUME /data")
    made.remove()
    id = str(server.create(world.archive(), image=image)["id"])
    with server.connect(id) as terminal:
        assert "/data" in terminal.run("grep /data /proc/mounts", 30)
        terminal.send(fill("/data/fill"))
        assert terminal.close_code(SOON)[0] == 1011
    assert server.delete(f"/v1/dockbox/{id}").status_code == 204
    assert engine.client().api.volumes()["Volumes"] in (None, [])


def test_zero_is_no_bound(
    run: Run, engine: Engine, world: Watched, server: Server, tmp_path: Path
) -> None:
    """While another server has one."""
    other = str(server.create(world.archive())["id"])
    with sqlite() as database:
        free = World(run, engine, tmp_path, database, container_disk=0, web_concurrency=1)
        free.server.start()
        try:
            id = str(free.server.create(free.archive())["id"])
            with free.server.connect(id) as terminal:
                terminal.send(fill("/app/fill"))
                assert terminal.run("du -m /app/fill", 30) == "60\t/app/fill\n"
                with world.server.connect(other) as bystander:
                    assert bystander.run("echo up", 30) == "up\n"
                    for _ in range(2):
                        looked_at(world, other)
                assert terminal.run("echo runs", 30).strip() == "runs"
        finally:
            free.close()
