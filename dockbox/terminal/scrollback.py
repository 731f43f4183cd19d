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
# The rest of a character, when a cut left its beginning out.
CUT = re.compile(rb"[\x80-\xbf]{1,3}")


def replayable(data: bytes, cut: bool) -> bytes:
    """``data`` without queries; after a ``cut`` it starts with a whole line or character."""
    if cut:
        newline = data.find(b"\n", 0, 4096)
        if newline >= 0:
            data = data[newline + 1 :]
        elif match := CUT.match(data):
            data = data[match.end() :]
        data = b"\x1b[0m" + data  # colours may have been set before the cut
    return QUERIES.sub(b"", data)


class Scrollback:
    """The last ``limit`` bytes or so, as the pieces that came."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
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
