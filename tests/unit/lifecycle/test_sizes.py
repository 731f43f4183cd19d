"""Telling sizes, with a database that may be away and a container that may not take them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import gevent
import pytest

from dockbox.errors import DatabaseUnavailable, NotRunning
from dockbox.greenlets import Greenlets
from dockbox.lifecycle import queue, sizes
from dockbox.lifecycle.sizes import Sizes
from dockbox.terminal.protocol import Size


class Table:
    """What the database would hold of one dockbox's connections."""

    def __init__(self) -> None:
        self.rows: dict[str, Size] = {}
        self.away = False

    def tell(self, told: dict[str, Size]) -> None:
        self.look()
        self.rows.update(told)

    def smallest(self, id: str) -> tuple[str, Size] | None:
        self.look()
        rows = [size.rows for size in self.rows.values()]
        cols = [size.cols for size in self.rows.values()]
        return ("container", Size(min(rows), min(cols))) if rows else None

    def look(self) -> None:
        gevent.sleep(0.001)
        if self.away:
            raise DatabaseUnavailable()


class Terminal:
    """A container's terminal; ``set`` is all that it was told."""

    def __init__(self) -> None:
        self.set: list[Size] = []
        self.refusals = 0

    def resize(self, container: str, rows: int, cols: int) -> None:
        gevent.sleep(0.002)
        if self.refusals:
            self.refusals -= 1
            raise NotRunning()
        self.set.append(Size(rows, cols))


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    table = Table()
    monkeypatch.setattr(queue, "tell", table.tell)
    monkeypatch.setattr(queue, "smallest", table.smallest)
    monkeypatch.setattr(sizes, "RETRY", 0.01)
    return table


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def greenlets() -> Iterator[Greenlets]:
    greenlets = Greenlets(nullcontext)
    yield greenlets
    greenlets.end(1)


def settled(terminal: Terminal) -> Size:
    """The size after nothing has changed for a while."""
    with gevent.Timeout(5):
        before = -1
        while before != len(terminal.set) or not terminal.set:
            before = len(terminal.set)
            gevent.sleep(0.1)
    return terminal.set[-1]


def test_the_last_of_many_sizes_is_the_one_that_stays(
    table: Table, terminal: Terminal, greenlets: Greenlets
) -> None:
    shared = Sizes(terminal.resize, greenlets)
    for rows in range(1, 100):
        shared.tell("box", "container", "one", Size(rows, 80))
        if rows % 7 == 0:
            gevent.sleep(0.001)
    assert settled(terminal) == Size(99, 80)
    assert len(terminal.set) < 50  # who drags a window does not ask Docker for each step


def test_two_workers_that_set_sizes_at_once_end_with_the_smallest(
    table: Table, terminal: Terminal, greenlets: Greenlets
) -> None:
    one, two = Sizes(terminal.resize, greenlets), Sizes(terminal.resize, greenlets)
    for number in range(40):
        one.tell("box", "container", "one", Size(30 + number % 7, 50 + number % 5))
        two.tell("box", "container", "two", Size(33 - number % 5, 51 + number % 3))
        gevent.sleep(0.001)
    assert ("container", settled(terminal)) == table.smallest("box")
    del table.rows["two"]
    assert two.forget("two") and not two.forget("two")
    two.fit("box")
    assert settled(terminal) == Size(30 + 39 % 7, 50 + 39 % 5)


def test_a_terminal_that_does_not_take_a_size_yet_is_asked_again(
    table: Table, terminal: Terminal, greenlets: Greenlets
) -> None:
    terminal.refusals = 3
    Sizes(terminal.resize, greenlets).tell("box", "container", "one", Size(40, 100))
    assert settled(terminal) == Size(40, 100)


def test_without_the_database_a_size_is_set_and_written_when_it_is_back(
    table: Table, terminal: Terminal, greenlets: Greenlets
) -> None:
    shared = Sizes(terminal.resize, greenlets)
    table.away = True
    shared.tell("box", "container", "one", Size(40, 100))
    assert settled(terminal) == Size(40, 100)
    table.away = False
    with gevent.Timeout(5):
        while table.rows != {"one": Size(40, 100)}:
            gevent.sleep(0.01)


def test_without_the_database_one_that_left_is_given_up(
    table: Table, terminal: Terminal, greenlets: Greenlets
) -> None:
    shared = Sizes(terminal.resize, greenlets)
    table.away = True
    shared.tell("box", "container", "one", Size(40, 100))
    shared.forget("one")
    gevent.sleep(0.1)
    assert not shared._busy and not shared._told
