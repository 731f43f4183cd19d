"""Room for clients and for what they start, counted right by however many ask at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from dockbox.auth import tokens
from dockbox.config import Config
from dockbox.database import db as flask_db
from dockbox.errors import QuotaExceeded
from dockbox.lifecycle import lookup, queue
from dockbox.lifecycle.quota import Room
from dockbox.models import Dockbox

from .world import Database, new

PLAIN = Config(
    environment="development", port=1, docker_server_host="", database_name="", database_host="",
    database_port=None, database_user="", database_password="", mount_point=Path(),
    max_box_connections=0,
)  # fmt: skip


def room(**bounds: object) -> Room:
    return Room(replace(PLAIN, **bounds))  # type: ignore[arg-type]


def full(call: Callable[[], object]) -> bool:
    try:
        call()
    except QuotaExceeded as error:
        assert error.retry_after and error.retry_after >= 1
        return True
    return False


def enter(box: str, worker: str, bounds: Room, token: str | None = None) -> bool:
    """Whether a client got in, who tries again where the state changed in between."""

    def come() -> None:
        while queue.cancel(box, new(), worker, token=token, room=bounds) is None:
            pass

    return not full(come)


def look(box: str, bounds: Room, token: str | None = None) -> None:
    """What a client is told before it comes."""
    lookup.find(box, lambda session, found: bounds.look(session, found, token))


# --- running --------------------------------------------------------------------------------


def test_of_many_started_at_once_no_more_run_than_may(db: Database) -> None:
    worker, bounds = db.worker(), room(max_running=3)
    boxes = [db.box("stopped") for _ in range(12)]
    found = db.at_once([partial(enter, box, worker, bounds) for box in boxes])
    states = [db.state(box) for box in boxes]
    assert sum(found) == states.count("running") == 3
    for box, got_in in zip(boxes, found, strict=True):
        assert (db.state(box), db.connections(box)) == (
            ("running", 1) if got_in else ("stopped", 0)
        )


def test_who_comes_to_a_box_that_runs_starts_nothing(db: Database) -> None:
    worker, bounds = db.worker(), room(max_running=1)
    box, other = db.box("running", stops_at=5.0), db.box("stopped")
    assert enter(box, worker, bounds) and enter(box, worker, bounds)
    assert not enter(other, worker, bounds)
    assert full(lambda: look(other, bounds, None)) and not full(lambda: look(box, bounds, None))


def test_a_box_that_others_start_meanwhile_does_not_count_against_itself(db: Database) -> None:
    box, _ = db.box("stopped"), db.box("running")

    def started(session: Session, found: Dockbox) -> None:
        update = "UPDATE dockboxes SET state = 'running' WHERE id = :id"
        session.execute(text(update), {"id": box})
        assert found.state == "stopped"  # as it was read
        room(max_running=2).look(session, found, None)

    lookup.find(box, started)


def test_what_is_being_stopped_still_runs_and_what_is_deleted_does_not_count(
    db: Database,
) -> None:
    worker, bounds = db.worker(), room(max_running=1)
    stopping, box = db.box("stopping"), db.box("stopped")
    assert not enter(box, worker, bounds)
    db.rows("UPDATE dockboxes SET deleted_at = 5 WHERE id = :id", id=stopping)
    assert not full(lambda: look(box, bounds, None))
    assert enter(box, worker, bounds)


def test_with_tokens_what_runs_counts_for_the_one_that_made_it(db: Database) -> None:
    worker, bounds = db.worker(), room(max_running=1, auth="token")
    ann, bob = db.box("stopped", token_id="ann"), db.box("stopped", token_id="bob")
    hers = db.box("stopped", token_id="ann")
    nobodys, another = db.box("stopped"), db.box("stopped")
    for box in (ann, bob, nobodys):
        assert enter(box, worker, bounds, token="an admin")
    for box in (hers, another):
        assert not enter(box, worker, bounds, token="an admin")
        assert full(partial(look, box, bounds, "an admin"))


def test_where_it_is_known_when_one_will_stop_that_is_said(db: Database) -> None:
    worker, bounds, box = db.worker(), room(max_running=2), db.box("stopped")
    db.box("running", stops_at=db.now() + 5000)
    db.box("running", stops_at=db.now() + 1000)
    with pytest.raises(QuotaExceeded) as refused:
        queue.cancel(box, new(), worker, room=bounds)
    assert 900 <= (refused.value.retry_after or 0) <= 1000
    db.rows("UPDATE dockboxes SET stops_at = NULL")
    with pytest.raises(QuotaExceeded) as refused:
        look(box, bounds, None)
    assert refused.value.retry_after == QuotaExceeded.retry_after


# --- connections ----------------------------------------------------------------------------


def test_of_many_who_come_at_once_no_more_get_in_than_may(db: Database) -> None:
    workers, bounds = [db.worker() for _ in range(3)], room(max_box_connections=4)
    box, other = db.box("stopped"), db.box("running")
    found = db.at_once([partial(enter, box, workers[n % 3], bounds) for n in range(15)])
    assert sum(found) == db.connections(box) == 4
    assert full(lambda: look(box, bounds, None))
    assert enter(other, workers[0], bounds)


def test_a_token_has_no_more_terminals_than_may_be_in_all_boxes_together(db: Database) -> None:
    worker, bounds = db.worker(), room(max_connections=3, auth="token")
    (ann, _), (bob, _) = tokens.create("ann"), tokens.create("bob")
    boxes = [db.box("running") for _ in range(5)]
    found = db.at_once(
        [partial(enter, box, worker, bounds, ann.id) for box in boxes for _ in range(2)]
    )
    assert sum(found) == sum(db.connections(box) for box in boxes) == 3
    assert full(lambda: look(boxes[0], bounds, ann.id))
    assert enter(boxes[0], worker, bounds, bob.id)
    assert enter(boxes[0], worker, bounds, None)
    held = db.rows("SELECT id, dockbox_id FROM connections WHERE token_id = :id", id=ann.id)
    queue.schedule(held[0][1], held[0][0])
    assert enter(boxes[1], worker, bounds, ann.id)


def test_who_finds_no_room_changes_nothing(db: Database) -> None:
    worker, bounds = db.worker(), room(max_box_connections=1)
    box = db.box("running")
    db.connection(box, worker)
    db.rows("UPDATE dockboxes SET stops_at = 5 WHERE id = :id", id=box)
    before = db.rows("SELECT * FROM dockboxes")
    assert not enter(box, worker, bounds)
    assert (db.rows("SELECT * FROM dockboxes"), db.connections(box)) == (before, 1)


def test_a_bound_of_zero_costs_no_statement(db: Database) -> None:
    worker, statements = db.worker(), 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    def needed(bounds: Room | None) -> int:
        nonlocal statements
        box = db.box("stopped")
        statements = 0
        assert queue.cancel(box, new(), worker, token="ann", room=bounds)
        look(box, bounds or Room(PLAIN), "ann")
        return statements

    event.listen(flask_db.engine, "before_cursor_execute", count)
    assert needed(room()) == needed(None)
    assert needed(room(max_box_connections=9)) > needed(None)
