"""The connection manager: one session a dockbox, opened once, closed by the last one out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext

import gevent
import pytest
from gevent.event import Event

from dockbox.errors import RuntimeUnavailable
from dockbox.greenlets import Greenlets
from dockbox.lifecycle.manager import ConnectionManager
from dockbox.terminal.session import Session

from ..terminal.pair import OPENED, FakeStream, Pair


@pytest.fixture(autouse=True)
def close_sockets() -> Iterator[None]:
    yield
    for sock in OPENED:
        sock.close()
    OPENED.clear()
    gevent.sleep(0)


@pytest.fixture
def manager() -> Iterator[ConnectionManager]:
    greenlets = Greenlets(nullcontext)
    yield ConnectionManager(greenlets)
    greenlets.end(5)


class Opener:
    """Opens sessions when told to go on; counts how often it was asked."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked = 0
        self.go = Event()
        self.error = error

    def __call__(self) -> Session:
        self.asked += 1
        assert self.go.wait(5)
        if self.error:
            raise self.error
        return Session(FakeStream(), "container", 1000, 10)


def test_connections_are_held_by_dockbox(manager: ConnectionManager) -> None:
    one, two = Pair().client, Pair().client
    first, second = manager.connect("a", one), manager.connect("b", two)
    assert manager.here() == {first: "a", second: "b"}
    assert manager.clients("a") == [one] and manager.clients("c") == []
    assert manager.clients() == [one, two]
    assert repr(manager) == "<ConnectionManager 2 connections>"
    manager.disconnect("a", first)
    assert manager.here() == {second: "b"}
    assert manager.clients() == [two]


def test_a_connection_counts_from_its_row_in_the_database_on(manager: ConnectionManager) -> None:
    waits, counts = (manager.connect("a", Pair().client) for _ in range(2))
    manager.count(counts)
    assert manager.counted() == {counts: "a"}
    manager.disconnect("a", counts)
    assert manager.counted() == {}
    manager.count(counts)  # it had left before its row was written
    assert manager.counted() == {}
    assert manager.here() == {waits: "a"}


def test_all_who_come_at_once_get_the_one_session(manager: ConnectionManager) -> None:
    opener = Opener()
    for _ in range(20):
        manager.connect("a", Pair().client)
    waiting = [gevent.spawn(manager.session, "a", opener) for _ in range(20)]
    gevent.sleep(0.01)
    assert not any(greenlet.ready() for greenlet in waiting)
    opener.go.set()
    sessions = {greenlet.get(timeout=5) for greenlet in waiting}
    assert len(sessions) == 1
    assert manager.session("a", opener) in sessions
    assert opener.asked == 1


def test_dockboxes_do_not_wait_for_each_other(manager: ConnectionManager) -> None:
    slow, quick = Opener(), Opener()
    quick.go.set()
    for box in ("a", "b"):
        manager.connect(box, Pair().client)
    waiting = gevent.spawn(manager.session, "a", slow)
    assert gevent.spawn(manager.session, "b", quick).get(timeout=5)
    assert not waiting.ready()
    slow.go.set()
    assert waiting.get(timeout=5)


def test_all_who_wait_are_told_of_a_failure_and_the_next_tries_again(
    manager: ConnectionManager,
) -> None:
    failing, working = Opener(RuntimeUnavailable()), Opener()
    manager.connect("a", Pair().client)
    waiting = [gevent.spawn(pytest.raises, RuntimeUnavailable, manager.session, "a", failing)]
    waiting += [gevent.spawn(pytest.raises, RuntimeUnavailable, manager.session, "a", failing)]
    gevent.sleep(0.01)
    failing.go.set()
    for greenlet in waiting:
        greenlet.get(timeout=5)
    assert failing.asked == 1
    working.go.set()
    assert manager.session("a", working)


def test_a_client_that_leaves_while_it_opens_does_not_take_the_others_with_it(
    manager: ConnectionManager,
) -> None:
    opener = Opener()
    leaver, stayer = (manager.connect("a", Pair().client) for _ in range(2))
    first, second = (gevent.spawn(manager.session, "a", opener) for _ in range(2))
    gevent.sleep(0.01)
    first.kill()
    assert not manager.disconnect("a", leaver)
    opener.go.set()
    session = second.get(timeout=5)
    assert not session.ended.is_set()
    assert manager.disconnect("a", stayer) and manager.abandon("a") is session


def test_a_session_is_abandoned_when_it_is_there_and_nobody_else(
    manager: ConnectionManager,
) -> None:
    opener = Opener()
    connections = [manager.connect("a", Pair().client) for _ in range(3)]
    waiting = gevent.spawn(manager.session, "a", opener)
    gevent.sleep(0.01)
    waiting.kill()
    assert [manager.disconnect("a", connection) for connection in connections] == [
        False, False, True,
    ]  # fmt: skip
    assert manager.abandon("a") is manager.present("a") is None  # it is still being opened
    opener.go.set()
    gevent.sleep(0.01)
    session = manager.present("a")
    again = manager.connect("a", Pair().client)
    assert session and manager.session("a", opener) is session
    assert manager.abandon("a") is None
    assert manager.disconnect("a", again) and manager.abandon("a") is session
    assert manager.abandon("a") is manager.present("a") is None
    assert opener.asked == 1


def test_a_session_that_ended_is_replaced_and_its_end_does_not_touch_the_new_one(
    manager: ConnectionManager,
) -> None:
    opener = Opener()
    opener.go.set()
    manager.connect("a", Pair().client)
    old = manager.session("a", opener)
    old.ended.set()
    new = manager.session("a", opener)
    assert new is not old
    manager.ended("a", old)
    assert manager.session("a", opener) is new
    manager.ended("a", new)
    assert manager.session("a", opener) is not new


def test_threads_may_connect_and_disconnect_at_once(manager: ConnectionManager) -> None:
    client, left = Pair().client, []

    def work() -> None:
        for i in range(300):
            connection = manager.connect(f"box {i % 3}", client)
            manager.count(connection)
            if i % 10:
                manager.disconnect(f"box {i % 3}", connection)
            else:
                left.append(connection)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert manager.counted().keys() == manager.here().keys() == set(left)
    assert len(manager.clients()) == len(left) == 180
