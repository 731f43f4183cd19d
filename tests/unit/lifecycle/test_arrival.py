"""Who comes while an earlier opening of the dockbox is not over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from flask import current_app
from gevent.event import Event

from dockbox.auth.identity import EVERYBODY
from dockbox.errors import Stopped
from dockbox.greenlets import Greenlets
from dockbox.lifecycle.arrival import Arrivals, Visit
from dockbox.lifecycle.manager import ConnectionManager
from dockbox.terminal.protocol import Raw

from .world import Database


class Shell:
    """A session that anybody may join."""

    container, cut, ended = "c", False, Event()

    def join(self, client: object) -> bool:
        return True


class Engine:
    """In place of ``Opening``: its first ``open`` takes until ``over``, and finds a stop then."""

    def __init__(self) -> None:
        self.over, self.tries = Event(), 0

    def open(self, id: str, before: str) -> Any:
        self.tries += 1
        if self.tries > 1:
            return Shell()
        self.over.wait(5)
        raise Stopped()


class Client:
    closed: tuple[int, str] | None = None

    def close(self, code: int, reason: str) -> None:
        self.closed = code, reason


@pytest.fixture
def greenlets(db: Database) -> Iterator[Greenlets]:
    greenlets = Greenlets(current_app._get_current_object().app_context)  # type: ignore[attr-defined]
    yield greenlets
    greenlets.end(5)


@pytest.mark.parametrize("again", [False, True])
def test_a_stop_is_told_to_those_who_were_there_and_not_to_who_comes_after_it(
    db: Database, greenlets: Greenlets, again: bool
) -> None:
    manager, engine, box, worker = ConnectionManager(greenlets), Engine(), db.box(), db.worker()
    opening: Any = engine
    unused: Any = None  # sizes, a watcher and room: nobody tells a size, and all may come
    arrivals = Arrivals(manager, opening, unused, unused, greenlets, worker, unused)

    def come() -> Visit:
        client: Any = Client()
        visit = Visit(box, client, Raw(), None, manager.connect(box, client), EVERYBODY)
        arrivals.begin(visit)
        gevent.sleep(0.05)
        return visit

    first = come()
    db.rows("UPDATE dockboxes SET state = 'stopped'")
    second = come()
    if again:
        db.rows("UPDATE dockboxes SET state = 'stopping'")
    engine.over.set()
    for visit in (first, second):
        assert visit.arrival is not None
        visit.arrival.join(5)
    told: Any = second.client
    if again:
        assert (told.closed, db.state(box)) == ((1000, "The dockbox was stopped."), "stopping")
    else:
        assert (told.closed, second.session is not None) == (None, True)
        assert db.state(box) == "running"
