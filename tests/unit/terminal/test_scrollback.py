"""What a newcomer is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockbox.terminal.scrollback import SEARCH, Scrollback, replayable

QUERIES = [
    b"\x05", b"\x1b[c", b"\x1b[0c", b"\x1b[>c", b"\x1b[>0c", b"\x1b[=c", b"\x1b[5n", b"\x1b[6n",
    b"\x1b[?6n", b"\x1b[?996n", b"\x1b[14t", b"\x1b[18t", b"\x1b[21t", b"\x1b[?2026$p",
    b"\x1b[4$p", b"\x1b[>q", b"\x1b[>0q", b"\x1b[x", b"\x1b[?u", b"\x1bZ", b"\x1b]10;?\x07",
    b"\x1b]11;?\x1b\\", b"\x1b]4;1;?\x07", b"\x1b]52;c;?\x07", b"\x1bP$qm\x1b\\",
    b"\x1bP+q544e\x1b\\", b"\xc2\x9bc", b"\xc2\x9b6n", b"\x1b]4;1;?;2;?\x07", b"\x1b]10;?;?\x07",
    b"\x1b[?1;1;0S", b"\x1b[1;1;1;1;2;2*y", b"\x1b[1$w", b"\x1b_Gi=1,a=q;AAAA\x1b\\",
]  # fmt: skip
HARMLESS = [
    b"\x1b[31mred\x1b[0m", b"\x1b[2J\x1b[H", b"\x1b[?1049h", b"\x1b]0;title\x07", b"\x1b[10;20H",
    b"\x1b[22;0;0t", b"\x1b[4 q", b"\x1b[!p", b"\x1b[?25l", b"\x1b]11;#000000\x07", b"\x1b[3;5r",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_what_makes_a_terminal_answer_is_stripped(query: bytes) -> None:
    assert replayable(b"before" + query + b"after", cut=False) == b"beforeafter"


@pytest.mark.parametrize("sequence", HARMLESS)
def test_everything_else_stays(sequence: bytes) -> None:
    assert replayable(sequence, cut=False) == sequence


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"31mhalf a sequence\nnext line", b"next line"),
        ("ü".encode()[1:] + b"abc", b"abc"),
        ("€".encode()[1:] + b"abc", b"abc"),
    ],
)
def test_a_cut_is_repaired(data: bytes, wanted: bytes) -> None:
    assert replayable(data, cut=True) == b"\x1b[0m" + wanted


@given(st.lists(st.binary(max_size=50)), st.integers(1, 200))
def test_it_holds_the_end_of_the_output_and_no_more_than_its_bound(
    pieces: list[bytes], limit: int
) -> None:
    scrollback = Scrollback(limit)
    pieces = [piece.translate(None, b"\x1b\x05") for piece in pieces]
    for piece in pieces:
        scrollback.append(piece)
    whole, replay = b"".join(pieces), scrollback.replay()
    if len(whole) <= limit:
        assert replay == whole
    else:
        replay = replay.removeprefix(b"\x1b[0m")
        assert whole.endswith(replay) and len(replay) <= limit + SEARCH
