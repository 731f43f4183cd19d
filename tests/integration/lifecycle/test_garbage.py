"""Garbage on a real engine, whose disk is small: what goes, what stays, and who comes first."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound

from dockbox.config import Config
from dockbox.errors import RuntimeFailed
from dockbox.runtime import chores
from dockbox.runtime.engine import Engine as RuntimeEngine
from dockbox.runtime.storage import filled

from ...conftest import SERVERS
from ...support import images
from ...support.engine import Engine
from ...support.internals import Rows
from ...support.operator import operate
from ...support.registry import Registry
from ...support.run import Run
from ...support.server import Server
from ...support.waiting import eventually
from ...support.world import World, sqlite

MB = 2**20
DISK, LAYER = 96 * MB, 14 * MB  # of the engine's disk an image takes some 15 %
MONTH = 31 * 24 * 3600


@pytest.fixture(scope="module")
def small(run: Run) -> Iterator[Engine]:
    """An engine whose data are on a disk of their own."""
    disk = run.folder / "small-disk"
    disk.mkdir()
    size = f"size={DISK}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "small", str(disk)], check=True)
    engine = Engine(run, "small", ["--data-root", str(disk)])
    try:
        engine.start()
        engine.import_images()
        yield engine
    finally:
        engine.close()
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


class Old(World):
    """A world in which time passes at a word."""

    rows: Rows

    def box(self, **order: object) -> str:
        return str(self.server.create(self.archive(), **order)["id"])

    def age(self, *ids: str, seconds: float = MONTH) -> None:
        """As if nobody had touched these for longer."""
        for id in ids:
            self.rows(
                "UPDATE dockboxes SET last_modified = last_modified - :seconds,"
                " created_at = created_at - :seconds WHERE id = :id", id=id, seconds=seconds,
            )  # fmt: skip

    def look(self) -> None:
        """The next worker that asks whether it is time collects."""
        self.rows("DELETE FROM rates WHERE key = 'garbage'")

    def wait(self) -> None:
        """Until ``look``, it is not time."""
        self.rows(  # at once: between two statements a worker may come
            "INSERT INTO rates (key, count, expires_at) VALUES ('garbage', 1, 1e12)"
            " ON CONFLICT (key) DO UPDATE SET count = 1, expires_at = 1e12"
        )


@pytest.fixture(scope="module")
def world(run: Run, small: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Old]:
    with sqlite() as database:
        world = Old(
            run, small, tmp_path_factory.mktemp("garbage"), database,
            gc_after_days=30, gc_container_days=7, log_format="json",
        )  # fmt: skip
        world.rows = Rows(database)
        world.server.start()
        yield world
        world.close()


@pytest.fixture(autouse=True)
def clean(world: Old, request: pytest.FixtureRequest) -> Iterator[None]:
    request.node.stash[SERVERS] = [world.server]
    world.wait()
    yield
    world.server.hang_up()
    world.clean()
    world.engine.clear()


def collect(run: Run, server: Server, *options: str) -> list[dict[str, Any]]:
    done = operate(run, server, "gc", "--json", *options)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["dry_run"] == ("--dry-run" in options)
    return list(said["items"])


def there(world: Old, id: str) -> tuple[bool, bool, bool]:
    """Whether a dockbox has a row, a container and files."""
    row = world.server.get(f"/v1/dockbox/{id}").ok
    return row, bool(world.engine.containers(id)), (world.server.mount / id).exists()


def present(world: Old) -> list[Any]:
    return world.rows("SELECT id FROM dockboxes WHERE deleted_at IS NULL")


def test_untouched_dockboxes_go_by_themselves_and_those_in_use_stay(run: Run, world: Old) -> None:
    server = world.server
    old, young, used, read = (world.box() for _ in range(4))
    with server.connect(used) as terminal:
        terminal.run("true")
        world.age(old, used, read)
        assert server.get(f"/v1/dockbox/{read}/files/").ok
        assert [item["id"] for item in collect(run, server, "--dry-run")] == [old]
        assert there(world, old) == (True, True, True)  # nothing was done
        world.look()
        eventually(lambda: there(world, old) == (False, False, False), 30, "its end")
        assert "still" in terminal.run("echo still")
    assert [there(world, id) for id in (young, used, read)] == [(True, True, True)] * 3
    [line] = eventually(lambda: server.logged(message="delete", dockbox=old), 10, "the trail")
    assert (line["by"], line["reason"]) == ("gc", "untouched for 30 days")


def test_a_container_that_is_collected_is_made_anew_with_the_files(run: Run, world: Old) -> None:
    server = world.server
    id = world.box(idle_timeout=0)
    with server.connect(id) as terminal:
        terminal.run("echo kept > /app/kept; echo lost > /tmp/lost")
    server.wait_state(id, "stopped")
    world.age(id, seconds=MONTH / 4)
    before = server.box(id)
    [item] = collect(run, server)
    assert (item["act"], item["id"]) == ("remove container", id)
    after = server.box(id)
    assert there(world, id) == (True, False, True) and after["container_id"] is None
    assert (after["state"], after["last_modified"]) == ("stopped", before["last_modified"])
    with server.connect(id) as terminal:
        assert terminal.run("cat /app/kept /tmp/lost 2>/dev/null").split()[-1] != "lost"
        assert "kept" in terminal.run("cat /app/kept")
    assert server.box(id)["container_id"] not in (None, before["container_id"])


def test_of_who_collects_too_late_the_container_that_runs_is_kept(world: Old) -> None:
    id = world.box()
    runtime = RuntimeEngine(Config.from_env(world.server.settings), lambda: "")
    with world.server.connect(id) as terminal:
        terminal.run("true")
        with pytest.raises(RuntimeFailed):
            runtime.remove(id, force=False)
        assert terminal.run("echo kept") == "kept\n"


def test_who_connects_while_it_is_collected_keeps_the_box_or_finds_none(
    run: Run, world: Old
) -> None:
    server = world.server
    boxes = [world.box() for _ in range(8)]
    world.age(*boxes)

    def visit(id: str) -> bool:
        try:
            with server.connect(id) as terminal:
                return "here" in terminal.run("echo here", timeout=30)
        except Exception:
            return False

    with ThreadPoolExecutor(3) as pool:
        collecting = pool.submit(collect, run, server)
        eventually(lambda: len(present(world)) < len(boxes), 30, "the first that goes")
        served = dict(zip(boxes, pool.map(visit, boxes), strict=True))
        gone = {item["id"] for item in collecting.result(60)}
    assert gone
    for id in boxes:
        assert there(world, id) == (id not in gone,) * 3
        assert served[id] == (id not in gone)


# --- images -------------------------------------------------------------------------------


def pulled(world: Old, registry: Registry, name: str) -> tuple[str, str]:
    """A dockbox of an image that had to be pulled; both names."""
    made = world.engine.import_image(
        f"dockbox-test/{name}:1", images.SH, {"content": os.urandom(LAYER)}
    )
    image = registry.push(world.engine.client(), made)
    world.engine.client().api.remove_image(made)
    return world.box(image=image), image


def has(world: Old, image: str) -> bool:
    try:
        return bool(world.engine.client().images.get(image))
    except ImageNotFound:
        return False


def test_idle_images_go_the_longest_unused_first_until_there_is_room(
    run: Run, world: Old, registry: Registry
) -> None:
    server = world.server
    server.delete(f"/v1/dockbox/{world.box()}")  # of an image that was there before
    made = [pulled(world, registry, name) for name in ("one", "two", "three", "four")]
    (_, first), (second_box, second), (_, third), (fourth_box, fourth) = made
    own = world.engine.import_image("dockbox-test/operators:1", images.SH)
    for id in (second_box, made[2][0], fourth_box):
        server.delete(f"/v1/dockbox/{id}")
    world.rows("UPDATE images SET used_at = used_at - 100 WHERE name = :name", name=third)
    full = used(run.folder / "small-disk")
    server.settings |= {"IMAGES_HIGH": str(full + 5), "IMAGES_LOW": "1"}
    assert collect(run, server) == []  # there is room
    server.settings |= {"IMAGES_HIGH": str(full - 5), "IMAGES_LOW": str(full - 20)}
    would = [item["name"] for item in collect(run, server, "--dry-run")]
    assert would == [third, second, fourth]
    gone = [item["name"] for item in collect(run, server)]
    assert gone == [third, second]  # two make room enough
    assert [has(world, image) for image in (first, second, third, fourth, own)] == [
        True, False, False, True, True,
    ]  # fmt: skip
    assert [item["name"] for item in collect(run, server, "--images")] == [fourth]
    assert has(world, first) and has(world, own) and has(world, images.BASH)
    assert server.create(world.archive(), image=second)["image"] == second  # it is pulled again


def test_how_full_the_disk_is_can_be_seen_from_a_container(world: Old) -> None:
    api = world.engine.client().api
    here = filled(api.info()["DockerRootDir"])
    assert abs(chores.filled(api, "dockbox-disk", {}, images.SH) - here) <= 1.5
    assert not api.containers(all=True)


def used(disk: Path) -> int:
    found = os.statvfs(disk)
    return round(100 - 100 * found.f_bavail / found.f_blocks)


def test_a_container_collected_with_its_image_is_made_of_the_image_pulled_again(
    run: Run, world: Old, registry: Registry
) -> None:
    id, image = pulled(world, registry, "again")
    world.age(id, seconds=MONTH / 4)
    acts = [item["act"] for item in collect(run, world.server, "--images")]
    assert acts == ["remove container", "remove image"] and not has(world, image)
    with world.server.connect(id) as terminal:
        assert "main.py" in terminal.run("ls /app", timeout=60)
    assert has(world, image)
