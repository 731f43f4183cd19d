"""Counting in the database: what Flask-Limiter asks of a storage, and what is not kept."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from limits import parse
from limits.strategies import FixedWindowRateLimiter

from dockbox.rates import SWEPT, Rates

from .lifecycle.world import Database, connected


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with connected({"DATABASE_NAME": "rates"}, tmp_path) as made:
        yield made


@pytest.fixture
def rates() -> Rates:
    return Rates()


def pass_by(db: Database, seconds: float) -> None:
    """As if so many seconds were over."""
    db.rows("UPDATE rates SET expires_at = expires_at - :s", s=seconds)


def test_a_span_begins_with_the_first_and_all_in_it_are_counted(db: Database, rates: Rates) -> None:
    began = db.now()
    assert [rates.incr("a", 60) for _ in range(3)] == [1, 2, 3]
    assert rates.incr("b", 60, amount=5) == 5
    assert (rates.get("a"), rates.get("b"), rates.get("c")) == (3, 5, 0)
    pass_by(db, 50)
    assert rates.incr("a", 60) == 4  # and the span does not begin anew
    assert 10 >= rates.left("a") >= 10 - (db.now() - began)
    pass_by(db, 11)
    assert rates.get("a") == 0
    began = db.now()
    assert rates.incr("a", 60) == 1
    assert 60 >= rates.left("a") >= 60 - (db.now() - began)


def test_of_many_who_count_at_once_nobody_is_lost(db: Database, rates: Rates) -> None:
    calls = [partial(rates.incr, key, 60) for key in ("a", "b") * 12]
    found = db.at_once(calls)
    assert sorted(found) == sorted([*range(1, 13)] * 2)
    pass_by(db, 61)
    again = db.at_once(calls)  # and only one of them begins a new span
    assert sorted(again) == sorted([*range(1, 13)] * 2)


def test_what_is_over_goes_when_something_else_begins(db: Database, rates: Rates) -> None:
    for number in range(SWEPT + 20):
        db.rows("INSERT INTO rates VALUES (:key, 1, 5)", key=f"old{number}")
    rates.incr("new", 60)
    assert db.one("SELECT count(*) FROM rates") == 21
    rates.incr("newer", 60)
    assert db.one("SELECT count(*) FROM rates") == 2
    assert (rates.get("new"), rates.get("newer")) == (1, 1)


def test_the_limiter_lets_through_what_the_rate_allows(db: Database, rates: Rates) -> None:
    limiter, three = FixedWindowRateLimiter(rates), parse("3 per minute")
    assert [limiter.hit(three, "me") for _ in range(5)] == [True, True, True, False, False]
    assert limiter.hit(three, "you")
    assert limiter.get_window_stats(three, "me").remaining == 0
    pass_by(db, 61)
    assert limiter.hit(three, "me")
    rates.clear(three.key_for("me"))
    assert limiter.get_window_stats(three, "me").remaining == 3
    rates.incr("x", 60)
    assert rates.reset() == 1 and rates.check()
