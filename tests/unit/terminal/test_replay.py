"""Replay and live output together, for every chunking and every time of joining."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dockbox.terminal import session as module
from dockbox.terminal.marks import Unmarked, begin
from dockbox.terminal.scrollback import QUERIES, SEARCH, Scrollback, replayable
from dockbox.terminal.session import Session

from .pair import FakeStream

RESET = b"\x1b[0m"  # what a replay after a cut begins with
TEXT = ["a", "\n", "ü", "€", "漢", "🙂", "e", "\u0301", " ", "\r"]
SEQUENCES = [
    "\x1b[31m",
    "\x1b[38;2;10;20;30m",
    "\x1b[12;40H",
    "\x1b[?1049h",
    "\x1b]0;é\x07",
    "\x1b7",
]
ASKING = ["\x1b[c", "\x1b[6n", "\x1b]11;?\x07", "\x1bP+q544e\x1b\\", "\x05", "\x1b[?2026$p"]
ALL = [unit.encode() for unit in TEXT + SEQUENCES + ASKING]
PLACES = st.lists(st.integers(1, 6000), max_size=30)  # where the output is cut into chunks


class Recorder:
    """A client that takes everything."""

    full, roomy, closing = False, True, False

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def offer(self, data: bytes) -> None:
        self.got.append(data)


class Script(FakeStream):
    """A shell that prints ``chunks``; before the one with this number, a client joins."""

    def __init__(self, chunks: list[bytes], joins: dict[int, list[Recorder]]) -> None:
        super().__init__()
        self._chunks, self._joins, self._number = chunks, joins, 0
        self.session: Any = None

    def recv(self, size: int = 65536) -> bytes:
        for client in self._joins.get(self._number, []):
            assert self.session.join(client)
        self._number += 1
        return self._chunks[self._number - 1] if self._number <= len(self._chunks) else b""


def cut_at(data: bytes, places: list[int]) -> list[bytes]:
    ends = [0, *sorted({place % (len(data) or 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(ends) if end > start]


@given(st.lists(st.sampled_from(ALL)), PLACES, st.lists(st.integers(0, 30), max_size=4))
def test_replay_and_live_are_the_stream_but_for_what_asks(
    units: list[bytes], places: list[int], times: list[int]
) -> None:
    chunks = cut_at(b"".join(units), places)
    joins = {min(time, len(chunks)): [Recorder(), Recorder()] for time in times}
    stream = Script(chunks, joins)
    stream.session = Session(stream, "container", 10_000, 5.0)
    stream.session.pump()
    for time, clients in joins.items():
        before, after = b"".join(chunks[:time]), chunks[time:]
        wanted = QUERIES.sub(b"", before) + b"".join(after)
        assert all(b"".join(client.got) == wanted for client in clients)


@given(
    st.lists(st.sampled_from(ALL[: len(TEXT + SEQUENCES)]), min_size=1),
    st.integers(1, 3000),
    PLACES,
    st.integers(1, 2000),
)
@example([b"\x1b[38;2;10;20;30m"], 1000, [], 1)
@example([b"\x1b]0;\xc3\xa9\x07"], 1000, [], 3)
@example(["漢".encode()], 3000, [], 100)
def test_a_replay_begins_neither_inside_a_sequence_nor_inside_a_character(
    some: list[bytes], times: int, places: list[int], limit: int
) -> None:
    units = some * max(1, min(times, 20_000 // len(some)))
    whole, scrollback = b"".join(units), Scrollback(limit)
    for chunk in cut_at(whole, places):
        scrollback.append(chunk)
    replay = scrollback.replay()
    if replay != whole:
        assert len(whole) > limit and replay.startswith(RESET)
        replay = replay.removeprefix(RESET)
        assert len(replay) <= limit + SEARCH
    assert whole.endswith(replay)
    assert len(whole) - len(replay) in {0, *itertools.accumulate(map(len, units))}


def test_a_large_piece_is_not_forgotten_for_a_small_one() -> None:
    scrollback = Scrollback(16_384)
    scrollback.append(b"line\r\n" * 10_000)
    scrollback.append(b"prompt# ")
    assert len(scrollback.replay()) > 16_000


class Marked(FakeStream):
    """A shell that has printed ``before`` and then ``after``; the stream begins in between.

    Docker's log is as much behind as the next of ``lags`` says, in lines.
    """

    def __init__(self, before: bytes, after: list[bytes], skipped: int, lags: list[int]) -> None:
        super().__init__()
        self._printed, self._begins, self._after = before, skipped, after
        self._coming, self._lags = before[skipped:], lags

    def mark(self, token: str) -> None:
        mark = begin(token) + b"\r\n\x1b\\"
        self._coming += mark
        self._printed += mark

    def check(self) -> None:
        pass

    def settle(self, quiet: float, most: float, size: int) -> bytes:
        coming, self._coming = self._coming, b""
        if not coming and self._after:
            coming = self._after.pop(0)
            self._printed += coming
        return coming

    def recent(self) -> bytes:
        lines = self._printed[: self._printed.rfind(b"\n") + 1].splitlines(keepends=True)
        lag = self._lags.pop(0) if self._lags else 0
        return b"".join(lines[: len(lines) - lag])


@given(
    st.lists(st.sampled_from([b"a\n", b"prompt# ", b"y\r\n", b"\x1b[31m"]), max_size=40),
    st.lists(st.sampled_from([b"a\n", b"echo", b"y\r\n"]), max_size=10),
    st.integers(0, 50),
    st.lists(st.integers(0, 5), max_size=4),
)
@settings(deadline=None)
def test_a_log_and_the_stream_are_joined_at_the_mark(
    before: list[bytes], after: list[bytes], skipped: int, lags: list[int]
) -> None:
    stream = Marked(b"".join(before), list(after), skipped, lags)
    session, client = Session(stream, "container", 10_000, 5.0), Recorder()
    session.settle(stream.recent, stream.mark)
    taken = len(after) - len(stream._after)
    if session.join(client):  # type: ignore[arg-type]
        assert b"".join(client.got) == b"".join(before + after[:taken])
    assert not session.cut


def test_in_a_flood_the_stream_alone_is_enough() -> None:
    stream = Marked(b"before ", [b"line\r\n" * 200], 0, [])
    session, client = Session(stream, "container", 600, 5.0), Recorder()
    session.settle(lambda: b"a log that has gone on", stream.mark)
    assert session.join(client) and session.cut  # type: ignore[arg-type]
    shown = b"".join(client.got).replace(RESET, b"")
    assert shown and shown == b"line\r\n" * (len(shown) // 6)


def test_a_mark_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CATCH_UP", 0.1)
    stream = Marked(b"", [b"live"], 0, [])
    session, client = Session(stream, "container", 600, 5.0), Recorder()
    session.settle(lambda: b"log\n", lambda token: None)
    assert session.join(client) and session.cut  # type: ignore[arg-type]
    assert b"".join(client.got).removeprefix(RESET) in (b"log\nlive", b"live")


@pytest.mark.parametrize("asks", [b"\x1b[6\x05n", b"\x1b\x1b[c[c", b"\x1b]11;\x05?\x07"])
def test_what_is_left_when_a_query_was_stripped_is_no_query(asks: bytes) -> None:
    assert not QUERIES.search(replayable(asks, cut=False))


MARK = begin("0123456789abcdef") + b"\n\x1b\\"
PARTS = [b"text", b"\x1b[31m", b"\x1b]0;title\x07", b"\r", b"\n", b"]", MARK, MARK]


@given(st.lists(st.sampled_from(PARTS)), PLACES)
def test_no_client_sees_a_mark_and_nothing_else_is_lost(
    units: list[bytes], places: list[int]
) -> None:
    whole, unmarked = b"".join(units), Unmarked()
    # an ESC alone is passed on at once: it may be all that a program says for now
    places = [place % (len(whole) or 1) for place in places]
    places = [place for place in places if whole[place - 1 : place] != b"\x1b"]
    got = b"".join(unmarked.feed(chunk) for chunk in cut_at(whole, places))
    assert got + unmarked.held == b"".join(unit for unit in units if unit != MARK)
