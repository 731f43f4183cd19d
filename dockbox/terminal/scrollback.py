"""Recent output for newcomers: bounded, and safe to send again."""

from __future__ import annotations

import re
from collections import deque

# What makes a terminal answer, as if it were typed: ENQ, device attributes (CSI c, > c, = c),
# status and cursor reports (CSI 5n, ?6n …), window reports (CSI 14t …), mode reports (CSI ? … $p),
# the version (CSI > q), DECREQTPARM (CSI x), colours (OSC 4, 10-19, 52 with ?), DECRQSS and
# XTGETTCAP (DCS $q, +q) and kitty's keyboard mode (CSI ? u).  From xterm's "Control Sequences"
# (invisible-island.net/xterm/ctlseqs).
QUERIES = re.compile(
    rb"\x05|\x1b\[[>=?]?[0-9;]*c|\x1b\[\??[56]n|\x1b\[\??(?:15|25|26|53|55|56|62|63|75|85|996)n"
    rb"|\x1b\[(?:1[1345689]|2[01])(?:;[0-9]*)*t|\x1b\[\??[0-9;]*\$p|\x1b\[>[0-9]*q|\x1b\[[01]?x"
    rb"|\x1b\[\?u|\x1bZ"
    rb"|\x1b\](?:4;[0-9]+|5;[0-9]+|1[0-9]|52;[a-z0-9]*);\?(?:\x07|\x1b\\)"
    rb"|\x1bP(?:\$q|\+q)[^\x1b]*\x1b\\"
)
HEAD = 64  # bytes that hardly occur twice by chance
MOST_PLACES = 100  # where they may occur all the same before they are given up
# Where it can begin after a cut that may be in the middle of a sequence.
SEARCH = 4096  # bytes that may be left out for it
BEGIN = re.compile(rb"\n|(?=\x1b)")
# The rest of a character, when a cut left its beginning out.
CUT = re.compile(rb"[\x80-\xbf]{1,3}")


def replayable(data: bytes, cut: bool) -> bytes:
    """``data`` without queries; after a ``cut`` it starts where a line or a sequence does."""
    if cut:
        if (match := BEGIN.search(data, 0, SEARCH)) or (match := CUT.match(data)):
            data = data[match.end() :]
        data = b"\x1b[0m" + data  # colours may have been set before the cut
    clean = QUERIES.sub(b"", data)
    if QUERIES.search(clean):  # what was around one is one: CAN ends what it began
        clean = QUERIES.sub(b"\x18", data)
    return clean


def stitched(log: bytes, live: bytes) -> bytes | None:
    """``log`` and ``live``, once what both have.

    The log has whole lines, and may end before ``live`` begins or after it.  ``None``: it seems
    to end before.
    """
    start, head = max(0, len(log) - len(live)), live[:HEAD]
    for _ in range(MOST_PLACES if len(head) == HEAD else 0):
        start = log.find(head, start)
        if start < 0:
            break
        if live.startswith(log[start:]):
            return log[:start] + live
        start += 1
    lines = live[: live.rfind(b"\n") + 1]
    if log.endswith(lines):  # nothing less will do: lines often end alike
        return log[: len(log) - len(lines)] + live
    return live if log and log in live else None


class Scrollback:
    """The last ``limit`` bytes and up to ``SEARCH`` more, as the pieces that came."""

    def __init__(self, limit: int) -> None:
        self._limit = limit + SEARCH
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._cut = False

    def append(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        while self._size > self._limit and len(self._pieces) > 1:
            self._size -= len(self._pieces.popleft())
            self._cut = True

    def replay(self) -> bytes:
        """What a newcomer is sent first."""
        data = b"".join(self._pieces)
        cut = self._cut
        if len(data) > self._limit:
            data, cut = data[len(data) - self._limit :], True
        return replayable(data, cut)
