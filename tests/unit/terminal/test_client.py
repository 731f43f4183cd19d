"""A client's outbox: lossless, bounded, and never in anybody's way."""

from __future__ import annotations

import os

import gevent
import pytest

from dockbox.terminal import client as module
from dockbox.terminal.websocket import CLOSE, PING, PONG

from .pair import Pair, until


@pytest.mark.parametrize("size", [1, 125, 126, 127, 65535, 65536, 65537, 1_000_000])
def test_output_of_any_size_arrives_whole(size: int) -> None:
    pair, data = Pair(), os.urandom(size)
    pair.client.offer(data)
    assert pair.output(size) == data


def test_pieces_keep_their_order_while_the_reader_is_slow() -> None:
    pair = Pair()
    pieces = [os.urandom(n % 3000 + 1) for n in range(200)]
    for piece in pieces:
        pair.client.offer(piece)
        if len(piece) % 7 == 0:
            gevent.sleep(0)
    assert pair.output(sum(map(len, pieces))) == b"".join(pieces)


def test_offer_never_waits_for_a_client_that_does_not_read() -> None:
    pair = Pair()
    with gevent.Timeout(10):  # a wait would be for ever
        for _ in range(1000):
            pair.client.offer(b"x" * 1000)
    assert pair.client.full


def test_what_waits_is_sent_in_few_frames() -> None:
    pair = Pair()
    for _ in range(2000):
        pair.client.offer(b"12345678")
    frames = [payload for _, payload in pair.carrying(16_000)]
    assert b"".join(frames) == b"12345678" * 2000
    assert len(frames[-1]) > 8, "frames behind a backlog are coalesced"


def test_a_prefix_begins_every_frame() -> None:
    pair = Pair(prefix=b"0")
    for _ in range(100):
        pair.client.offer(b"x" * 999)
    # the first goes out alone, and the rest, which is more than a frame takes, in two
    frames = [payload for _, payload in pair.carrying(99_900 + 3)]
    assert all(frame.startswith(b"0") for frame in frames)
    assert sum(len(frame) - 1 for frame in frames) == 99_900


def test_a_ping_does_not_land_inside_a_frame() -> None:
    pair = Pair()
    pair.client.offer(b"x" * 200_000)
    gevent.sleep(0)  # the first frame is on its way now
    pair.client._pinged -= 20
    pair.client.keep_alive(15)
    pair.client.offer(b"y" * 10)
    opcodes = [opcode for opcode, _ in pair.carrying(200_010)]
    assert PING in opcodes and opcodes[0] != PING


def test_a_flood_of_pings_from_a_client_that_does_not_read_is_bounded() -> None:
    pair = Pair()
    pair.client.offer(b"x" * 200_000)
    for n in range(10_000):
        pair.client.pong(str(n).encode())
    assert sum(opcode == PONG for opcode, _ in pair.frames(0.2)) <= 8


def test_pause_holds_output_back_and_resume_lets_it_go() -> None:
    pair = Pair()
    pair.client.pause()
    pair.client.offer(b"later")
    assert pair.output(5, 0.05) == b""
    pair.client.resume()
    assert pair.output(5) == b"later"


def test_close_drops_what_waits_and_says_why() -> None:
    pair = Pair()
    for _ in range(100):
        pair.client.offer(b"x" * 10_000)
    pair.client.close(1013, "too slow " + "ü" * 100)
    code, reason = pair.close_frame()
    assert code == 1013 and reason.startswith("too slow ü") and len(reason.encode()) <= 123
    pair.client.offer(b"never")
    assert pair.client.waiting == 0


def test_a_closed_client_that_does_not_answer_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER", 0.05)
    pair = Pair()
    pair.client.close(1000)
    assert [opcode for opcode, _ in pair.frames()] == [CLOSE]
    assert pair.far.recv(1) == b"", "the end came, not the reader's patience"


@pytest.mark.parametrize("when", ["before", "during"])
def test_a_client_that_vanishes_is_noticed_and_harms_nobody(when: str) -> None:
    pair = Pair()
    if when == "before":
        pair.far.close()
    pair.client.offer(b"x" * 500_000)
    gevent.sleep(0.01)
    pair.far.close()
    gevent.sleep(0.05)
    pair.client.offer(b"y")
    pair.client.keep_alive(1000)
    until(lambda: pair.client.closing and pair.client.waiting == 0)


def test_a_slow_reader_alone_is_not_stalled_but_one_that_stopped_is() -> None:
    pair = Pair()
    for _ in range(30):
        pair.client.offer(b"x" * 10_000)
    client = pair.client
    assert client.full and client._mark and not client.stalled(20, others=False)
    client._mark = client._mark[0] - 30, client._mark[1]  # as if it had stopped for so long
    client._moved -= 30
    assert client.stalled(20, others=False)
    with gevent.Timeout(10):
        while client.stalled(20, others=False):  # until it takes a little
            pair.far.recv(4096)
            gevent.sleep(0)
    assert client.stalled(20, others=True), "but it must not hold others up so long"
    client._moved -= 30
    assert client.stalled(20, others=False)


def test_a_client_that_was_idle_for_long_gets_its_time_when_a_flood_begins() -> None:
    pair = Pair()
    pair.client._moved -= 1000
    pair.client.pause()
    for _ in range(30):
        pair.client.offer(b"x" * 10_000)
    assert pair.client.full and not pair.client.stalled(5, others=False)


def test_silence_for_three_intervals_ends_a_client() -> None:
    pair = Pair()
    pair.client.keep_alive(10)
    assert not pair.client.closing
    pair.client._pinged -= 11
    pair.client.keep_alive(10)
    frames = pair.frames()
    assert next(frames)[0] == PING
    pair.far.settimeout(0.05)
    assert list(frames) == []
    pair.client.heard -= 31
    pair.client.keep_alive(10)
    assert pair.client.closing
