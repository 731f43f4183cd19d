"""Workers: their heartbeats, and what is done about what the dead have left."""

from __future__ import annotations

from functools import partial

from dockbox.lifecycle import workers

from .world import Database, new


def test_a_dead_worker_is_forgotten_with_its_connections(db: Database) -> None:
    dead, live = db.worker(workers.EXPIRY + 1), db.worker(workers.EXPIRY - 5)
    empty, shared, stopped = db.box(idle_timeout=7), db.box(), db.box("stopped")
    for box in (empty, shared, stopped):
        db.connection(box, dead)
    kept = db.connection(shared, live)
    assert workers.forget_dead() == sorted([empty, shared, stopped])
    workers.queue_idle()
    assert db.rows("SELECT id FROM connections") == [(kept,)]
    left = db.seconds_left(empty)
    assert left is not None and 5 < left <= 7
    assert db.seconds_left(shared) is db.seconds_left(stopped) is None
    assert workers.forget_dead() == []


def test_a_beat_keeps_a_worker_alive_and_brings_a_dead_one_back(db: Database) -> None:
    worker = db.worker(workers.EXPIRY - 1)
    workers.beat(worker)
    workers.forget_dead()
    assert db.one("SELECT count(*) FROM workers") == 1
    db.rows("UPDATE workers SET heartbeat = 0")
    workers.forget_dead()
    assert db.one("SELECT count(*) FROM workers") == 0
    workers.beat(worker)
    assert db.one("SELECT count(*) FROM workers") == 1


def test_a_worker_that_was_forgotten_may_beat_several_times_at_once(db: Database) -> None:
    for _ in range(5):
        worker = new()
        db.at_once([partial(workers.beat, worker)] * 8)
        assert db.one("SELECT count(*) FROM workers WHERE id = :id", id=worker) == 1


def test_a_worker_that_retires_gives_its_connections_up_at_once(db: Database) -> None:
    worker, other, box, shared = db.worker(), db.worker(), db.box(), db.box()
    db.connection(box, worker)
    db.connection(shared, worker)
    db.connection(shared, other)
    workers.retire(worker)
    assert db.rows("SELECT id FROM workers") == [(other,)]
    assert (db.connections(box), db.connections(shared)) == (0, 1)
    assert db.seconds_left(box) is not None and db.seconds_left(shared) is None


def test_half_done_work_is_adopted_from_the_dead_and_from_nobody(db: Database) -> None:
    me, live, dead = db.worker(), db.worker(), db.worker(workers.EXPIRY + 1)
    adopted = {
        db.box("creating", owner=dead), db.box("stopping", owner=dead),
        db.box("stopped", owner=dead, deleted_at=1.0), db.box("creating"), db.box("stopping"),
        db.box("failed", deleted_at=1.0), db.box("stopping", owner=new()),
        db.box("creating", owner=me), db.box("stopped", owner=dead),
    }  # fmt: skip
    busy = db.box("stopping", owner=me)
    for state in ("creating", "stopping"):
        db.box(state, owner=live)
    for state in ("stopped", "running", "failed"):
        db.box(state)
    assert {box.id for box in workers.adopt(me, lambda: [busy], True)} == adopted
    assert {db.owner(box) for box in adopted} == {me}
    assert workers.adopt(db.worker(), list, True) == []
    assert {box.id for box in workers.adopt(me, lambda: [busy, *adopted], True)} == set()


def test_who_is_not_steady_adopts_nothing_from_those_who_look_dead(db: Database) -> None:
    me, dead = db.worker(), db.worker(workers.EXPIRY + 1)
    adopted = {db.box("creating"), db.box("stopping", owner=me)}
    db.box("stopping", owner=dead)
    assert {box.id for box in workers.adopt(me, list, False)} == adopted


def test_others_are_judged_only_after_an_unbroken_series_of_beats() -> None:
    now, steady = 1000.0, workers.Steady()
    for gaps, judges in (
        ([0, 5, 5, 4.9], [False] * 4), ([0.1, 5, 7], [True] * 3),
        ([8, 5, 5], [False] * 3), ([5], [True]),  # an outage: everybody's beat was late
        ([-3600, 5, 5], [False] * 3), ([5], [True]),  # the clock was set back
    ):  # fmt: skip
        for gap, judge in zip(gaps, judges, strict=True):
            now += gap
            assert steady.beat(now) is judge


def test_what_was_begun_while_it_was_looked_for_is_not_adopted(db: Database) -> None:
    me, begun = db.worker(), [""]
    begun.append(db.box("creating", owner=me))
    asked = iter([begun[:1], begun])  # held between the question and the answer
    assert workers.adopt(me, lambda: next(asked), True) == []


def test_several_adopt_at_once_and_each_box_goes_to_one(db: Database) -> None:
    boxes = {db.box("stopping") for _ in range(20)}
    several = [db.worker() for _ in range(4)]
    found = db.at_once([partial(workers.adopt, worker, list, True) for worker in several])
    adopted = [box.id for boxes in found for box in boxes]
    assert len(adopted) == len(set(adopted)) and set(adopted) <= boxes
