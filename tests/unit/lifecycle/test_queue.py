"""The deletion queue, on a real database: who wins, who is counted, what is due."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy.exc import IntegrityError

from dockbox.lifecycle import queue, workers
from dockbox.terminal.protocol import Size

from .world import Database, new

STATES = ("creating", "stopped", "running", "stopping", "failed")


# --- connections --------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_a_connection_takes_a_box_out_of_the_queue_if_it_can_run(db: Database, state: str) -> None:
    box = db.box(state, stops_at=1.0)
    can = state in ("running", "stopped")
    assert queue.cancel(box, new(), db.worker()) == (state if can else None)
    assert db.state(box) == ("running" if can else state)
    assert (db.seconds_left(box) is None, db.connections(box)) == (can, int(can))


def test_a_box_that_is_gone_or_going_takes_no_connection(db: Database) -> None:
    worker = db.worker()
    assert queue.cancel(new(), new(), worker) is None
    going = db.box("running", deleted_at=1.0)
    assert queue.cancel(going, new(), worker) is None
    assert db.connections(going) == 0


def test_a_connection_of_a_worker_that_is_not_known_changes_nothing(db: Database) -> None:
    box = db.box("stopped", stops_at=5.0)
    with pytest.raises(IntegrityError):
        queue.cancel(box, new(), new())
    assert (db.state(box), db.connections(box)) == ("stopped", 0)
    assert db.seconds_left(box) is not None


def test_only_the_last_one_out_queues_the_box(db: Database) -> None:
    box = db.box(idle_timeout=700)
    first, second = db.connection(box, db.worker()), db.connection(box, db.worker())
    queue.schedule(box, first)
    assert (db.connections(box), db.seconds_left(box)) == (1, None)
    queue.schedule(box, second)
    left = db.seconds_left(box)
    assert left is not None and 600 < left <= 700
    queue.schedule(box, second)
    again = db.seconds_left(box)
    assert again is not None and again <= left


@pytest.mark.parametrize("state", [state for state in STATES if state != "running"])
def test_only_a_running_box_is_queued(db: Database, state: str) -> None:
    box = db.box(state)
    queue.schedule(box, db.connection(box, db.worker()))
    assert (db.connections(box), db.seconds_left(box)) == (0, None)


def test_a_start_that_failed_stops_the_box_unless_another_is_there(db: Database) -> None:
    box, worker = db.box(), db.worker()
    first, second = db.connection(box, worker), db.connection(box, worker)
    queue.start_failed(box, first)
    assert (db.state(box), db.connections(box)) == ("running", 1)
    queue.start_failed(box, second)
    assert (db.state(box), db.seconds_left(box)) == ("stopped", None)


def test_connections_are_counted_for_each_box(db: Database) -> None:
    one, two, none, worker = db.box(), db.box(), db.box(), db.worker()
    held = {db.connection(box, worker): box for box in (one, two, two)}
    db.connection(one, db.worker())
    assert queue.count([one, two, none]) == {one: 2, two: 2}
    assert workers.connections(worker) == held


# --- stopping -----------------------------------------------------------------------------


def test_what_is_due_is_claimed_once_the_oldest_first(db: Database) -> None:
    now, worker, other = db.now(), db.worker(), db.worker()
    later = db.box(stops_at=now + 60)
    second, first = db.box(stops_at=now - 1), db.box(stops_at=now - 2)
    db.box("stopped", stops_at=now - 3)
    db.box(stops_at=now - 3, deleted_at=now)
    assert [box.id for box in queue.claim(worker, 1)] == [first]
    assert [box.id for box in queue.claim(other)] == [second]
    assert queue.claim(worker) == []
    assert (db.state(first), db.owner(first)) == ("stopping", worker)
    assert (db.state(second), db.owner(second)) == ("stopping", other)
    assert db.state(later) == "running"


def test_what_is_due_by_mistake_is_not_stopped_under_a_client(db: Database) -> None:
    box = db.box(stops_at=1.0)
    db.connection(box, db.worker())
    assert queue.claim(db.worker()) == []
    assert (db.state(box), db.seconds_left(box)) == ("running", None)


def test_several_claim_at_once_and_each_box_goes_to_one(db: Database) -> None:
    boxes = {db.box(stops_at=1.0) for _ in range(20)}
    several = [db.worker() for _ in range(4)]
    found = db.at_once([partial(queue.claim, worker) for worker in several])
    claimed = [box.id for boxes in found for box in boxes]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) | {box.id for box in queue.claim(several[0])} == boxes


def test_a_stop_belongs_to_one_and_only_the_owner_ends_it(db: Database) -> None:
    box, owner, other = db.box(), db.worker(), db.worker()
    assert queue.begin_stop(box, owner)
    assert not queue.begin_stop(box, other)
    assert not queue.done(box, other)
    queue.undo_stop(box, other)
    assert db.state(box) == "stopping"
    assert queue.done(box, owner)
    assert (db.state(box), db.owner(box)) == ("stopped", None)


def test_a_stop_that_failed_is_due_again_unless_someone_is_there(db: Database) -> None:
    worker = db.worker()
    empty, full = db.box(), db.box()
    db.connection(full, worker)
    for box in (empty, full):
        assert queue.begin_stop(box, worker)
        queue.undo_stop(box, worker)
        assert (db.state(box), db.owner(box)) == ("running", None)
    left = db.seconds_left(empty)
    assert left is not None and 0 < left <= queue.RETRY
    assert db.seconds_left(full) is None


def test_what_docker_says_is_taken_over(db: Database) -> None:
    ended, found = db.box(stops_at=5.0), db.box("stopped", idle_timeout=900)
    assert not queue.container_ended(ended, 0.9), "it has changed since"
    assert queue.container_ended(ended, 1.0) and not queue.container_ended(ended, db.now())
    assert (db.state(ended), db.seconds_left(ended)) == ("stopped", None)
    assert not queue.found_running(found, 0.9), "it has changed since"
    assert queue.found_running(found, 1.0) and not queue.found_running(found, db.now())
    left = db.seconds_left(found)
    assert db.state(found) == "running" and left is not None and 800 < left <= 900


def test_the_last_worker_whose_terminals_notice_the_end_says_it(db: Database) -> None:
    box, early, late = db.box(), db.worker(), db.worker()
    first, second = db.connection(box, early), db.connection(box, late)
    assert not queue.container_ended(box, db.now(), [first])
    queue.schedule(box, first)
    assert queue.container_ended(box, db.now(), [second])


def test_who_has_just_come_to_a_container_that_ended_is_about_to_start_it(db: Database) -> None:
    box = db.box()
    gone, newcomer = db.connection(box, worker := db.worker()), db.connection(box, worker)
    for noticed in ([gone], []):  # at the first look, and at the second
        assert not queue.container_ended(box, db.now(), noticed)
    queue.schedule(box, newcomer)
    assert queue.container_ended(box, db.now(), [gone])


# --- sizes --------------------------------------------------------------------------------


def test_the_size_is_that_of_the_smallest_of_those_who_told_one(db: Database) -> None:
    box, worker = db.box(container_id="c"), db.worker()
    other = db.box(container_id="other")
    assert queue.smallest(box) is None
    queue.cancel(box, "silent", worker)
    assert queue.smallest(box) is None
    queue.cancel(box, "low", worker, Size(20, 300))
    queue.cancel(box, "narrow", db.worker(), Size(90, 40))
    queue.cancel(other, "tiny", worker, Size(1, 1))
    assert queue.smallest(box) == ("c", Size(20, 40))
    queue.tell({"narrow": Size(10, 100), "nobody": Size(1, 1)})
    assert queue.smallest(box) == ("c", Size(10, 100))
    queue.schedule(box, "narrow")
    assert queue.smallest(box) == ("c", Size(20, 300))
    queue.begin_stop(box, worker)
    assert queue.smallest(box) is None


# --- all at once --------------------------------------------------------------------------


def test_however_they_interleave_a_box_is_queued_exactly_when_nobody_is_there(
    db: Database,
) -> None:
    boxes, several = [db.box(idle_timeout=600) for _ in range(2)], [db.worker() for _ in range(2)]

    def come_and_go(seed: int) -> Callable[[], list[str]]:
        def run() -> list[str]:
            chance, stay = random.Random(seed), []
            for _ in range(12):
                box, connection = chance.choice(boxes), new()
                assert queue.cancel(box, connection, chance.choice(several)) == "running"
                if chance.random() < 0.9:
                    queue.schedule(box, connection)
                else:
                    stay.append(connection)
                if chance.random() < 0.2:
                    workers.queue_idle()
            return stay

        return run

    stayed = [id for ids in db.at_once([come_and_go(seed) for seed in range(6)]) for id in ids]
    assert {id for (id,) in db.rows("SELECT id FROM connections")} == set(stayed)
    for box in boxes:
        assert (db.seconds_left(box) is None) == (db.connections(box) > 0)


@pytest.mark.parametrize("try_", range(5))
def test_a_last_one_out_and_a_newcomer_at_once_agree(db: Database, try_: int) -> None:
    worker = db.worker()
    leaving = {db.box(): new() for _ in range(4)}
    for box, connection in leaving.items():
        queue.cancel(box, connection, worker)
    db.at_once(
        [partial(queue.schedule, box, connection) for box, connection in leaving.items()]
        + [partial(queue.cancel, box, new(), worker) for box in leaving]
    )
    for box in leaving:
        assert (db.connections(box), db.seconds_left(box)) == (1, None)


@pytest.mark.parametrize("try_", range(5))
def test_a_claim_and_a_newcomer_at_once_never_both_win(db: Database, try_: int) -> None:
    boxes, worker = [db.box(stops_at=1.0) for _ in range(5)], db.worker()
    results = db.at_once(
        [
            partial(queue.claim, worker),
            *[partial(queue.cancel, box, new(), worker) for box in boxes],
        ]
    )
    claimed = {box.id for box in results[0] or []}
    for box, came in zip(boxes, results[1:], strict=True):
        assert (box in claimed) == (came is None) == (db.state(box) == "stopping")
        assert db.connections(box) == int(came is not None)
