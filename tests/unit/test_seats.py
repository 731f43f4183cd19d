"""Seats: so many for each, so many for all, and none is lost."""

from __future__ import annotations

import pytest

from dockbox.errors import Busy, TooManyRequests
from dockbox.seats import Seats


def test_nobody_takes_more_than_their_share() -> None:
    seats = Seats(2, 3)
    seats.take("a")
    seats.take("a")
    with pytest.raises(TooManyRequests):
        seats.take("a")
    seats.take("b")
    with pytest.raises(Busy):
        seats.take("c")
    seats.leave("a")
    seats.take("c")
    for key in ("a", "b", "c"):
        seats.leave(key)
    assert not seats._taken


def test_zero_is_no_bound() -> None:
    seats = Seats(0, 0)
    for _ in range(500):
        seats.take("a")
