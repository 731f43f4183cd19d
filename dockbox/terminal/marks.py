"""Marks in the output, at which Docker's log and the stream of a new session are joined.

A mark is an operating system command (OSC) that no terminal knows, hence shows, with a token and,
for the log, which has whole lines, a line's end.  No client gets to see one.
"""

from __future__ import annotations

import re

START = b"\x1b]dockbox;"
END = rb"\r?\n\x1b\\"  # the terminal may add the carriage return
MARKS = re.compile(re.escape(START) + rb"[0-9a-f]+" + END)
LONGEST = 40  # bytes; a token has 16 digits
PART = re.compile(re.escape(START) + rb"[0-9a-f]*\r?(?:\n\x1b?)?")


def begin(token: str) -> bytes:
    """How the mark with this token begins."""
    return START + token.encode()


def pattern(token: str) -> re.Pattern[bytes]:
    """The whole of the mark with this token."""
    return re.compile(re.escape(begin(token)) + END)


class Unmarked:
    """Takes marks out of a stream; those of other workers come at any time."""

    def __init__(self) -> None:
        self.held = b""

    def feed(self, data: bytes) -> bytes:
        """``data`` without marks, and without what may be the first part of one.

        That stays in ``held`` and comes with the next: the rest is on its way, and half a command
        shows nothing.
        """
        if self.held:
            data, self.held = self.held + data, b""
        if START in data:
            data = MARKS.sub(b"", data)
        at = data.rfind(START[:2], -LONGEST)
        if at >= 0 and (START.startswith(data[at:]) or PART.fullmatch(data, at)):
            data, self.held = data[:at], data[at:]
        return data
