"""The user's end: a terminal in raw mode, or a pipe or a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

READ = 4096
ATOMIC = 4096  # bytes that a pipe takes at once if it takes any (PIPE_BUF)
CLEAR = b"\x1bc"  # as after power on, since the recent output is sent again
# What a program may have left on, which has not ended: the other screen, no cursor, keys for
# applications, marked pastes, the mouse, colours.
PLAIN = b"\x1b[?1047l\x1b[?25h\x1b[?1l\x1b>\x1b[?2004l\x1b[?1000;1002;1003;1006l\x1b[m\r\n"


class Local:
    """Where the user types, and where output goes."""

    def __init__(self, stdin: int = 0, stdout: int = 1) -> None:
        self.types, self.sees = os.isatty(stdin), os.isatty(stdout)
        self._in, self._out = stdin, _unblocked(stdout) if self.sees else stdout

    @contextmanager
    def raw(self) -> Iterator[None]:
        """Every key goes to the shell, and nothing is echoed here; undone whatever happens."""
        if not self.types:
            yield
            return
        before = termios.tcgetattr(self._in)
        try:
            tty.setraw(self._in, termios.TCSADRAIN)
            yield
        finally:
            with contextlib.suppress(OSError, termios.error):  # the terminal may be gone
                termios.tcsetattr(self._in, termios.TCSANOW, before)
                if self.sees:
                    os.write(self._out, PLAIN)  # lost where nobody reads

    def size(self) -> dict[str, int]:
        """As the protocol has it; nothing where nobody types, who would only shrink others'."""
        if not self.types:
            return {}
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(self._in)
            if rows and columns:
                return {"columns": columns, "rows": rows}
        return {}

    async def read(self) -> bytes:
        """What is typed next; ``b""`` at the end."""
        await _ready(asyncio.get_running_loop(), "reader", self._in)
        try:
            return os.read(self._in, READ)
        except OSError:  # EIO: the terminal has hung up
            return b""

    async def write(self, data: bytes) -> None:
        """Without blocking: signals must be heard while nobody reads.  Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        while data:
            await _ready(loop, "writer", self._out)
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self._out, data[:ATOMIC]) :]

    async def clear(self) -> None:
        if self.sees:
            await self.write(CLEAR)

    def say(self, text: str) -> None:
        """A line of our own, in a terminal that is in raw mode."""
        sys.stderr.write(f"\r\n[{text}]\r\n")
        sys.stderr.flush()

    def status(self, text: str) -> None:
        """The same, in place of the line where the cursor is."""
        sys.stderr.write(f"\r\x1b[K[{text}]")
        sys.stderr.flush()


def _unblocked(fd: int) -> int:
    """This terminal, opened for ourselves: a flag on ``fd`` would be one for its other users."""
    try:
        return os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:  # it has no name here
        return fd


async def _ready(loop: asyncio.AbstractEventLoop, side: str, fd: int) -> None:
    """Wait until ``fd`` can be read or written."""
    ready: asyncio.Future[None] = loop.create_future()
    getattr(loop, f"add_{side}")(fd, _set, ready)
    try:
        await ready
    finally:
        getattr(loop, f"remove_{side}")(fd)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
