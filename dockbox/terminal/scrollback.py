"""Recent output for newcomers: bounded, and safe to send again."""

from __future__ import annotations

import re
from collections import deque

from .marks import MARKS

# What makes a terminal answer, as if it were typed: ENQ, device attributes (CSI c, > c, = c),
# status and cursor reports (CSI 5n, ?6n …), window reports (CSI 14t …), mode reports (CSI ? … $p),
# the version (CSI > q), DECREQTPARM (CSI x), XTSMGRAPHICS (CSI ? S), checksums (CSI *y), state
# (CSI $w), colours and the clipboard (OSC 4, 5, 10-19, 52 with ?), DECRQSS and XTGETTCAP (DCS $q,
# +q), kitty's keyboard mode (CSI ? u) and graphics (APC G a=q).  From xterm's "Control Sequences"
# (invisible-island.net/xterm/ctlseqs).
QUERIES = re.compile(
    rb"\x05|(?:\x1b\[|\xc2\x9b)(?:[>=?]?[0-9;]*c|\??[56]n|\??(?:15|25|26|53|55|56|62|63|75|85|996)n"
    rb"|(?:1[1345689]|2[01])(?:;[0-9]*)*t|\??[0-9;]*\$p|>[0-9]*q|[01]?x|\?u|\?[0-9;]*S"
    rb"|[0-9;]*\*y|[0-9;]*\$w)|\x1bZ"
    rb"|\x1b\](?:4|5|1[0-9]|52);[^\x07\x1b]*\?[^\x07\x1b]*(?:\x07|\x1b\\)"
    rb"|\x1bP(?:\$q|\+q)[^\x1b]*\x1b\\|\x1b_G[^\x1b]*a=q[^\x1b]*\x1b\\"
)
SMALL = 1024  # bytes of a piece that grows
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
    data = MARKS.sub(b"", data)
    clean = QUERIES.sub(b"", data)
    if QUERIES.search(clean):  # what was around one is one: CAN ends what it began
        clean = QUERIES.sub(b"\x18", data)
    return clean


class Scrollback:
    """The last ``limit`` bytes and up to ``SEARCH`` more, as the pieces that came."""

    def __init__(self, limit: int) -> None:
        self._limit = limit + SEARCH
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._cut = False

    def append(self, data: bytes) -> None:
        if self._pieces and len(self._pieces[-1]) < SMALL:  # a piece has more than its bytes
            self._pieces[-1] += data
        else:
            self._pieces.append(data)
        self._size += len(data)
        while self._size - len(self._pieces[0]) >= self._limit:
            self._size -= len(self._pieces.popleft())
            self._cut = True

    def begin(self, data: bytes, cut: bool) -> None:
        """What was there before the first piece; ``cut``: something is missing."""
        if data:
            self.append(replayable(data, cut=False))
        self._cut = self._cut or cut

    @property
    def cut(self) -> bool:
        """Whether it has lost something."""
        return self._cut or self._size > self._limit

    def replay(self) -> bytes:
        """What a newcomer is sent first."""
        data = b"".join(self._pieces)
        cut = self._cut
        if len(data) > self._limit:
            data, cut = data[len(data) - self._limit :], True
        return replayable(data, cut)
