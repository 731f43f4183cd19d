"""What is garbage, on a real database: who is due, who is claimed, and who got there first."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from dockbox.config import Config
from dockbox.errors import ContainerGone, RuntimeFailed
from dockbox.lifecycle import queue, workers
from dockbox.lifecycle.control import Control
from dockbox.lifecycle.garbage import (
    DAY,
    DELETE,
    EMPTY,
    Garbage,
    Policy,
    claim,
    oldest,
    policies,
    touch,
)
from dockbox.lifecycle.images import IdleImages, make_container
from dockbox.lifecycle.lookup import find
from dockbox.lifecycle.watch import Watcher
from dockbox.runtime.base import ContainerSpec

from .world import Database, new

MONTH = Policy(DELETE, "stopped", 30)
WEEK = Policy(EMPTY, "stopped", 7)
FAILED = Policy(DELETE, "failed", 30)


def untouched(db: Database, days: float, state: str = "stopped", **values: object) -> str:
    when = db.now() - days * DAY
    return db.box(state, last_modified=when, created_at=when, **{"container_id": "c", **values})


def config(tmp_path: Path, **settings: float) -> Config:
    return Config(
        environment="development", port=1, docker_server_host="unix:///nothing",
        database_name="x", database_host="", database_port=None, database_user="",
        database_password="", mount_point=tmp_path, **settings,  # type: ignore[arg-type]
    )  # fmt: skip


def test_all_of_it_is_off_unless_a_setting_says_otherwise(tmp_path: Path) -> None:
    assert policies(config(tmp_path)) == []
    assert policies(config(tmp_path), days=0) == [Policy(DELETE, "stopped", 0)]
    on = config(tmp_path, gc_after_days=30, gc_container_days=7, gc_failed_days=30)
    assert policies(on) == [FAILED, MONTH, WEEK]


def test_the_longest_untouched_goes_first_and_the_young_stay(db: Database) -> None:
    untouched(db, 29)
    young = db.box("stopped", created_at=1.0, last_modified=db.now())
    older, old = untouched(db, 90), untouched(db, 31)
    worker, gone = db.worker(), []
    while id := oldest(MONTH):
        assert claim(MONTH, id, worker)
        gone.append(id)
    assert gone == [older, old]
    assert find(young) and find(old) is None


@pytest.mark.parametrize("state", ["creating", "running", "stopping"])
def test_what_is_under_way_is_never_garbage(db: Database, state: str) -> None:
    box = untouched(db, 90, state)
    for policy in (MONTH, WEEK, FAILED):
        assert oldest(policy) is None
        assert claim(policy, box, db.worker()) is None
    assert db.state(box) == state


@pytest.mark.parametrize("why", ["connected", "owned", "deleted"])
def test_what_somebody_holds_is_never_garbage(db: Database, why: str) -> None:
    values = {"owned": {"owner": db.worker()}, "deleted": {"deleted_at": 1.0}}.get(why, {})
    box = untouched(db, 90, **values)
    if why == "connected":
        db.connection(box, db.worker())
    for policy in (MONTH, WEEK):
        assert (oldest(policy), claim(policy, box, db.worker())) == (None, None)


def test_failures_go_by_their_own_setting(db: Database) -> None:
    failed, stopped = untouched(db, 90, "failed"), untouched(db, 90)
    assert oldest(FAILED) == failed
    assert oldest(MONTH) == stopped


def test_who_connects_before_the_claim_keeps_the_box(db: Database) -> None:
    box, worker = untouched(db, 90), db.worker()
    found = oldest(MONTH)
    assert found == box
    assert queue.cancel(box, new(), worker) == "stopped"
    assert claim(MONTH, found, worker) is None
    assert (db.state(box), db.connections(box)) == ("running", 1)


def test_who_comes_after_the_claim_finds_it_gone(db: Database) -> None:
    box, worker = untouched(db, 90), db.worker()
    assert claim(MONTH, box, worker)
    assert queue.cancel(box, new(), worker) is None and find(box) is None


@pytest.mark.parametrize("policy", [MONTH, WEEK])
def test_of_a_claim_and_a_client_at_the_same_moment_one_wins(db: Database, policy: Policy) -> None:
    worker = db.worker()
    for _ in range(30):
        box = untouched(db, 90)
        claimed, client = db.at_once([
            partial(claim, policy, box, worker),
            partial(queue.cancel, box, new(), worker),
        ])  # fmt: skip
        assert (claimed is None) == (client is not None)
        assert db.connections(box) == (client is not None)


def test_two_who_collect_share_no_box(db: Database) -> None:
    box, one, two = untouched(db, 90), db.worker(), db.worker()
    found = db.at_once([partial(claim, MONTH, box, worker) for worker in (one, two)])
    assert sum(claimed is not None for claimed in found) == 1


@pytest.mark.parametrize("policy", [MONTH, WEEK])
def test_what_a_dead_worker_has_claimed_is_adopted(db: Database, policy: Policy) -> None:
    box, dead = untouched(db, 90), db.worker(age=100)
    assert claim(policy, box, dead)
    [adopted] = workers.adopt(db.worker(), list, steady=True)
    assert (adopted.id, adopted.deleted_at is not None) == (box, policy is MONTH)


def test_a_claim_does_not_make_a_box_younger(db: Database) -> None:
    box = untouched(db, 90)
    claim(WEEK, box, db.worker())
    [(age,)] = db.rows("SELECT last_modified FROM dockboxes WHERE id = :id", id=box)
    assert db.now() - age > 89 * DAY


def test_a_container_that_is_gone_is_not_removed_again(db: Database) -> None:
    untouched(db, 90, container_id=None)
    assert oldest(WEEK) is None and oldest(MONTH)


def test_work_with_files_keeps_a_box(db: Database, tmp_path: Path) -> None:
    box, recent = untouched(db, 90), untouched(db, 1)
    before = db.one("SELECT last_modified FROM dockboxes WHERE id = :id", id=recent)
    for id in (box, recent):
        found = find(id)
        assert found
        touch(config(tmp_path, gc_after_days=30), found)
    assert oldest(MONTH) is None
    # and it is not written at each call
    assert db.one("SELECT last_modified FROM dockboxes WHERE id = :id", id=recent) == before


class Hasty:
    """A runtime whose image is gone again when the first container is to be made of it."""

    def __init__(self) -> None:
        self.pulls, self.tries = 0, 0

    def ensure_image(self, *_: object) -> bool:
        self.pulls += 1
        return True

    def create(self, _: ContainerSpec) -> str:
        self.tries += 1
        if self.tries == 1:
            raise ContainerGone()
        return "container"


def test_an_image_that_goes_before_its_container_is_there_is_pulled_again(
    db: Database, tmp_path: Path
) -> None:
    runtime = Hasty()
    spec = ContainerSpec("id", "image", tmp_path)
    made = make_container(runtime, spec, lambda *_: None)  # type: ignore[arg-type]
    assert (made, runtime.pulls) == ("container", 2)
    assert db.rows("SELECT name FROM images") == [("image",)]


class Refusing:
    """A runtime that does not remove the container of one dockbox."""

    def __init__(self, stays: str) -> None:
        self.stays = stays

    def remove(self, id: str, force: bool = True) -> None:
        if id == self.stays:
            raise RuntimeFailed()


def garbage(db: Database, runtime: Refusing, settings: Config) -> Garbage:
    worker, of_runtime = db.worker(), cast(Any, runtime)
    control = Control(settings, of_runtime, Mock(Watcher), worker)
    return Garbage(settings, of_runtime, control, IdleImages(settings, of_runtime, ()), worker)


@pytest.mark.parametrize("policy", [MONTH, WEEK])
def test_one_that_docker_does_not_let_go_holds_up_no_other(
    db: Database, tmp_path: Path, policy: Policy
) -> None:
    first, second = untouched(db, 90), untouched(db, 80)
    collected = garbage(db, Refusing(first), config(tmp_path)).dockboxes([policy])
    assert next(collected).id == second
    with pytest.raises(RuntimeFailed):  # or the operator's command would seem to have done all
        next(collected)
    assert (db.state(first), db.owner(first)) == ("stopped", None)


class Shelf:
    """A runtime that has these images, all idle, and does not let the ``stuck`` one go."""

    def __init__(self, *names: str, stuck: str = "") -> None:
        self.names, self.stuck = list(names), stuck

    def image_is_idle(self, name: str) -> bool | None:
        return True if name in self.names else None

    def remove_image(self, name: str) -> bool:
        if name == self.stuck:
            raise RuntimeFailed()
        self.names.remove(name)
        return True

    def disk(self, _: str) -> float:
        return 90.0


def shelf(db: Database, shelf: Shelf, *noted: str) -> IdleImages:
    for number, name in enumerate(noted):
        db.rows("INSERT INTO images (name, used_at) VALUES (:name, :at)", name=name, at=number)
    return IdleImages(config(Path("/nowhere"), images_high=80), cast(Any, shelf), ())


def test_a_dry_run_leaves_the_notes_of_images_as_they_are(db: Database) -> None:
    images = shelf(db, Shelf("there"), "gone", "there")
    assert [name for name, _ in images.remove(dry=True)] == ["there"]
    assert len(db.rows("SELECT name FROM images")) == 2
    assert [name for name, _ in images.remove()] == ["there"]
    assert db.rows("SELECT name FROM images") == []


def test_an_image_that_docker_does_not_let_go_holds_up_no_other(db: Database) -> None:
    images = shelf(db, Shelf("stuck", "next", stuck="stuck"), "stuck", "next")
    assert [name for name, _ in images.remove()] == ["next"]
    assert db.rows("SELECT name FROM images") == [("stuck",)]
