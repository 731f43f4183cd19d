"""Who comes late with a stop: it is done only while it is still asked for."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from dockbox import metrics
from dockbox.config import Config
from dockbox.errors import RuntimeFailed
from dockbox.greenlets import Greenlets
from dockbox.lifecycle import queue
from dockbox.lifecycle.control import Control
from dockbox.lifecycle.watch import Watcher
from dockbox.runtime.base import ContainerInfo, Runtime

from .world import Database


class Stops:
    """A runtime that notes what it is told to stop."""

    def __init__(self) -> None:
        self.stopped: list[str] = []
        self.running = True
        self.hangs = False

    def inspect(self, container: str) -> ContainerInfo:
        return ContainerInfo(container, "", self.running, None)

    def stop(self, container: str, grace: int) -> None:
        if self.hangs:
            raise RuntimeFailed
        self.stopped.append(container)


@pytest.fixture
def stops() -> Stops:
    return Stops()


@pytest.fixture
def me(db: Database) -> str:
    return db.worker()


@pytest.fixture
def control(db: Database, stops: Stops, me: str, tmp_path: Path) -> Control:
    config: Any = Config(
        environment="development", port=1, docker_server_host="unix:///nothing", database_name="",
        database_host="", database_port=None, database_user="", database_password="",
        mount_point=tmp_path,
    )  # fmt: skip
    return Control(config, cast(Runtime, stops), Watcher(Greenlets(nullcontext)), me)


def test_who_slept_does_not_stop_what_is_no_longer_its_own(
    db: Database, control: Control, stops: Stops, me: str
) -> None:
    others = db.worker()
    taken_over = db.box("stopping", container_id="a", owner=others)
    started_again = db.box("running", container_id="b")
    for box in (taken_over, started_again, "gone"):
        control.finish_stop(box)
    assert stops.stopped == []
    assert (db.state(taken_over), db.owner(taken_over)) == ("stopping", others)
    assert db.state(started_again) == "running"
    mine = db.box("stopping", container_id="c", owner=me)
    control.finish_stop(mine)
    assert stops.stopped == ["c"] and db.state(mine) == "stopped"


def test_stops_are_counted_by_how_they_end(
    db: Database, control: Control, stops: Stops, me: str
) -> None:
    def counted() -> tuple[float | None, ...]:
        names = ("stopped", "runtime_failed")
        value = metrics.REGISTRY.get_sample_value
        return tuple(value("dockbox_stops_total", {"outcome": name}) for name in names)

    stopped, failed = counted()
    assert stopped is not None and failed is not None  # an alert counts from the start
    box = db.box("stopping", container_id="a", owner=me)
    stops.hangs = True
    with pytest.raises(RuntimeFailed):
        control.finish_stop(box)
    assert counted() == (stopped, failed + 1)
    assert db.state(box) == "running" and (db.seconds_left(box) or 0) > 5
    stops.hangs = False
    assert queue.begin_stop(box, me)
    control.finish_stop(box)
    assert counted() == (stopped + 1, failed + 1)


def test_a_container_started_amid_a_stop_is_stopped_unless_it_is_wanted_again(
    db: Database, control: Control, stops: Stops
) -> None:
    wanted = db.box("running", container_id="a")
    control.stop_again(wanted, "a")
    assert stops.stopped == [] and db.state(wanted) == "running"
    unwanted = db.box("stopped", container_id="b")
    stops.running = False  # the stop came after the start
    control.stop_again(unwanted, "b")
    assert stops.stopped == [] and db.state(unwanted) == "stopped"
    stops.running = True
    control.stop_again(unwanted, "b")
    assert stops.stopped == ["b"]
    assert (db.state(unwanted), db.owner(unwanted)) == ("stopped", None)
