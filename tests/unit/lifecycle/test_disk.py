"""When a dockbox is stopped for what it holds, by whom, and what it is told."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from dockbox.config import Config
from dockbox.errors import ContainerGone, DiskFull
from dockbox.greenlets import Greenlets
from dockbox.lifecycle import disk, queue
from dockbox.lifecycle.control import Control
from dockbox.lifecycle.disk import FILE, GROWN, Box, Disk, Held
from dockbox.lifecycle.watch import Watcher
from dockbox.models import Dockbox
from dockbox.runtime.base import Runtime, Written

from .world import Database, new

MB = 2**20
BOUND = 64 * MB


class Holding:
    """A runtime whose containers hold what the test says."""

    def __init__(self) -> None:
        self.bytes = 0
        self.volumes: tuple[str, ...] = ()
        self.counted = (0, 0)
        self.gone = False

    def written(self, container: str) -> Written:
        if self.gone:
            raise ContainerGone()
        return Written(self.bytes, self.volumes)

    def count(self, image: str, mount: Path, volumes: tuple[str, ...]) -> tuple[int, int]:
        return self.counted

    def stop(self, container: str, grace: int) -> None:
        pass


@pytest.fixture
def holding() -> Holding:
    return Holding()


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(
        environment="development", port=1, docker_server_host="unix:///nothing", database_name="",
        database_host="", database_port=None, database_user="", database_password="",
        mount_point=tmp_path, container_disk=BOUND,
    )  # fmt: skip


@pytest.fixture
def watched(db: Database, holding: Holding, config: Config) -> Disk:
    greenlets, me, runtime = Greenlets(nullcontext), db.worker(), cast(Runtime, holding)
    control = Control(config, runtime, Watcher(greenlets), me)
    return Disk(config, runtime, control, greenlets, me)


def look(db: Database, watched: Disk, id: str) -> tuple[Any, ...]:
    """Look at it once; its state, error and ``disk_bytes``."""
    before = db.one("SELECT disk_bytes FROM dockboxes WHERE id = :id", id=id)
    watched._look(Box(id, "c", "image", before))
    return db.rows("SELECT state, error, disk_bytes FROM dockboxes WHERE id = :id", id=id)[0]


def test_what_is_at_the_bound_runs_and_what_is_past_it_is_stopped(
    db: Database, watched: Disk, holding: Holding
) -> None:
    id = db.box(container_id="c")
    holding.bytes = BOUND
    assert look(db, watched, id) == ("running", None, None)
    holding.bytes += 10 * MB
    said = "The dockbox held 74 MiB; 64 MiB are allowed. It was stopped: connect to delete some."
    assert look(db, watched, id) == ("stopped", said, BOUND + 10 * MB)


def test_the_files_and_the_container_count_together(
    db: Database, watched: Disk, holding: Holding, tmp_path: Path
) -> None:
    id = db.box(container_id="c")
    (tmp_path / id).mkdir()
    (tmp_path / id / "file").write_bytes(os.urandom(MB))
    holding.bytes = BOUND - MB // 2
    assert look(db, watched, id)[0] == "stopped"


def test_too_many_files_are_too_much(
    db: Database, watched: Disk, holding: Holding, tmp_path: Path
) -> None:
    id = db.box(container_id="c")
    (tmp_path / id).mkdir()
    for number in range(BOUND // FILE + 1):
        (tmp_path / id / str(number)).touch()
    said = (
        "The dockbox held 4,097 files; 4,096 are allowed. It was stopped: connect to delete some."
    )
    assert look(db, watched, id)[:2] == ("stopped", said)


def test_what_the_server_may_not_see_is_counted_by_a_container(
    db: Database, watched: Disk, holding: Holding
) -> None:
    holding.counted = (BOUND + 1, 7)
    assert look(db, watched, id := db.box(container_id="c"))[0] == "running"
    holding.volumes = ("data",)
    assert look(db, watched, id)[0] == "stopped"


def test_who_comes_back_is_stopped_again_only_for_having_grown(
    db: Database, watched: Disk, holding: Holding
) -> None:
    id, worker = db.box(container_id="c"), db.worker()
    holding.bytes = 2 * BOUND
    assert look(db, watched, id)[0] == "stopped"
    assert queue.cancel(id, new(), worker) == "stopped"
    assert look(db, watched, id) == ("running", None, 2 * BOUND)  # no error any more
    holding.bytes -= MB
    assert look(db, watched, id)[0] == "running"
    holding.bytes += MB + GROWN + 1
    assert look(db, watched, id)[0] == "stopped"
    queue.cancel(id, new(), worker)
    holding.bytes = BOUND
    assert look(db, watched, id) == ("running", None, None)
    holding.bytes = BOUND + 1
    assert look(db, watched, id)[0] == "stopped"


def test_a_stop_that_failed_is_tried_again(
    db: Database, watched: Disk, holding: Holding, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = db.box(container_id="c")
    holding.bytes = 2 * BOUND

    def fail(*_: object) -> None:
        raise ContainerGone()

    with monkeypatch.context() as patch:
        patch.setattr(holding, "stop", fail)
        assert look(db, watched, id) == ("running", None, None)
    assert look(db, watched, id)[0] == "stopped"


def test_who_was_stopped_meanwhile_is_left_alone(
    db: Database, watched: Disk, holding: Holding
) -> None:
    id = db.box("stopped", container_id="c")
    holding.bytes = 2 * BOUND
    assert look(db, watched, id) == ("stopped", None, None)


def test_a_container_that_is_gone_holds_nothing(
    db: Database, watched: Disk, holding: Holding
) -> None:
    holding.gone = True
    assert look(db, watched, db.box(container_id="c"))[0] == "running"


def test_each_running_dockbox_is_looked_at_by_one_living_worker(db: Database) -> None:
    workers = [db.worker() for _ in range(3)]
    dead = db.worker(age=100)
    boxes = {db.box() for _ in range(40)}
    db.box("stopped"), db.box("failed"), db.box(deleted_at=1.0)
    looked_at = [[box.id for box in disk._mine(worker)] for worker in workers]
    assert sorted(id for ids in looked_at for id in ids) == sorted(boxes)
    assert all(looked_at) and disk._mine(dead) == []


def test_who_holds_far_more_is_not_started(config: Config) -> None:
    most = BOUND + disk.RUNAWAY
    disk.check(config, Dockbox(disk_bytes=None))
    disk.check(config, Dockbox(disk_bytes=most))
    with pytest.raises(DiskFull):
        disk.check(config, Dockbox(disk_bytes=most + 1))


@pytest.mark.parametrize("held", [Held(2**50 - 1, 0), Held(0, 2**40)])
def test_what_is_told_fits_into_a_close(held: Held) -> None:
    assert len(held.too_much(10**12).encode()) <= 123
