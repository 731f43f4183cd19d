"""Who shows wrong tokens is not looked at for a while, and nobody else suffers."""

from __future__ import annotations

import pytest

from dockbox.errors import TooManyRequests
from dockbox.strangers import KEPT, SPAN, WRONG, Strangers


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def strangers(clock: Clock) -> Strangers:
    return Strangers(clock)


def guess(strangers: Strangers, address: str = "here", times: int = WRONG) -> None:
    for number in range(times):
        strangers.check(address, f"guess {number}")
        strangers.wrong(address, f"guess {number}")


def test_after_many_wrong_tokens_an_address_waits(clock: Clock, strangers: Strangers) -> None:
    guess(strangers)
    clock.now += SPAN - 2.5
    with pytest.raises(TooManyRequests) as refused:
        strangers.check("here", "another guess")
    assert refused.value.retry_after == 3
    strangers.check("there", "another guess")
    clock.now += 2.5
    guess(strangers)
    with pytest.raises(TooManyRequests):
        strangers.check("here", "another guess")


def test_who_was_right_from_there_is_not_locked_out(strangers: Strangers) -> None:
    strangers.right("good")
    guess(strangers)
    strangers.check("here", "good")
    strangers.wrong("here", "good")  # it has been revoked
    with pytest.raises(TooManyRequests):
        strangers.check("here", "good")


def test_what_is_remembered_is_bounded(strangers: Strangers) -> None:
    for number in range(KEPT + 5):
        strangers.wrong(f"address {number}", "guess")
        strangers.right(f"token {number}")
    assert len(strangers._wrong) == len(strangers._right) == KEPT
    assert "address 5" in strangers._wrong and "address 4" not in strangers._wrong
