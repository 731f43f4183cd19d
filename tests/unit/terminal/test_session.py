"""Many clients on one stream."""

from __future__ import annotations

import os

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockbox.terminal.client import MOST_UNREAD
from dockbox.terminal.session import Session

from .pair import FakeStream, Pair, spawn, until


def session(stream: FakeStream, stall: float = 5.0) -> Session:
    return Session(stream, "container", 1_000_000, stall)


def test_every_client_gets_every_byte_whatever_its_speed() -> None:
    stream, clients = FakeStream(), [Pair() for _ in range(4)]
    shared = session(stream)
    for pair in clients:
        assert shared.join(pair.client)
    spawn(shared.pump)
    data = os.urandom(3_000_000)
    readers = [gevent.spawn(pair.output, len(data), 20) for pair in clients]
    gevent.spawn(stream.put, data)
    gevent.joinall(readers, timeout=60)
    assert all(reader.value == data for reader in readers)


def test_who_stops_reading_is_dropped_and_the_others_go_on() -> None:
    stream, good, bad = FakeStream(), Pair(), Pair()
    shared = session(stream, stall=3)  # what the good one may be held up by the machine
    shared.join(good.client)
    shared.join(bad.client)
    spawn(shared.pump)
    data = os.urandom(2_000_000)
    reader = gevent.spawn(good.output, len(data), 20)
    gevent.spawn(stream.put, data)
    assert reader.get(timeout=60) == data
    assert bad.client.closed and bad.client.closed[0] == 1013
    assert not shared.empty


def test_alone_and_not_reading_the_shell_is_let_go_too() -> None:
    stream, bad = FakeStream(), Pair()
    shared = session(stream, stall=0.2)
    shared.join(bad.client)
    spawn(shared.pump)
    writer = gevent.spawn(stream.put, b"x" * 3_000_000)
    writer.get(timeout=20)
    assert bad.client.closed and bad.client.closed[0] == 1013 and shared.empty


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20), st.data())
def test_replay_and_live_output_have_no_gap_and_no_duplicate(
    pieces: list[bytes], data: st.DataObject
) -> None:
    stream = FakeStream()
    shared = Session(stream, "container", 10_000, 5.0)
    spawn(shared.pump)
    when = data.draw(st.integers(0, len(pieces)))
    pieces = [piece.replace(b"\x1b", b"").replace(b"\x05", b"") for piece in pieces]
    pair = Pair()
    for number, piece in enumerate(pieces):
        if number == when:
            shared.join(pair.client)
        if piece:
            stream.put(piece)
        if data.draw(st.booleans()):
            gevent.sleep(0)
    if when == len(pieces):
        shared.join(pair.client)
    gevent.sleep(0.002)
    whole = b"".join(pieces)
    assert pair.output(len(whole), 10 if whole else 0.01) == whole
    stream.end()


def test_typists_interleave_by_message_and_never_inside_one() -> None:
    stream = FakeStream()
    shared = session(stream)
    messages = [bytes([65 + n]) * 50 for n in range(10)]
    clients = [Pair().client for _ in messages]
    for client, message in zip(clients, messages, strict=True):
        spawn(shared.type, client, message)
    until(lambda: len(stream.typed) == 500 and not any(client.unread for client in clients))
    typed = [stream.typed[i : i + 50] for i in range(0, 500, 50)]
    assert sorted(typed) == messages


def test_a_shell_that_does_not_read_makes_its_typist_wait_and_then_go() -> None:
    class Deaf(FakeStream):
        def sendall(self, data: bytes) -> None:
            gevent.sleep(60)

    shared, client = session(Deaf()), Pair().client
    shared.type(client, b"x" * (MOST_UNREAD + 10))
    waiting = spawn(client.wait_for_input_room)
    client.keep_alive(0.05)
    assert not waiting.ready()
    gevent.sleep(0.2)
    client.keep_alive(0.05)
    waiting.get(timeout=10)
    assert client.closed and client.closed[0] == 1013


@pytest.mark.parametrize("broken", [False, True])
def test_when_the_stream_ends_nobody_can_join_any_more(broken: bool) -> None:
    stream = FakeStream()
    shared = session(stream)
    pump = spawn(shared.pump)
    if broken:
        shared.close(1000, "")
    else:
        stream.end()
    pump.get(timeout=10)
    assert shared.ended.is_set() and not shared.join(Pair().client)
