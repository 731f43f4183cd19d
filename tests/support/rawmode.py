"""A shell command whose input and output are bytes as they are, without the terminal's changes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from .terminal import Terminal


@contextmanager
def raw(terminal: Terminal, command: str) -> Iterator[None]:
    """Run ``command`` with the terminal in raw mode; inside, it has begun to run.

    At the end it has to end by itself; what it prints and is not read inside is skipped.
    """
    begin, end = secrets.token_hex(6), secrets.token_hex(6)
    line = f"stty raw -echo; printf '<%s' {begin}; {command}; stty sane; printf '%s>' {end}\r"
    terminal.send(line.encode())
    terminal.read_until(f"<{begin}".encode())  # not in the echo, which has a blank before it
    yield
    terminal.read_until(f"{end}>".encode(), 60)


def read_exactly(terminal: Terminal, size: int, timeout: float = 60) -> bytes:
    """The next ``size`` bytes of output."""
    parts, have = [terminal.buffer], len(terminal.buffer)
    while have < size:
        parts.append(terminal.receive(timeout))
        have += len(parts[-1])
    whole = b"".join(parts)
    terminal.buffer = whole[size:]
    return whole[:size]


def digest(data: bytes) -> str:
    """For comparisons of much data: a failure prints two digests and not two megabytes."""
    return f"{len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}"


def pattern(lines: int) -> tuple[str, bytes]:
    """A command that prints numbered lines, and what it prints in raw mode."""
    return f"seq {lines} | cat", b"".join(b"%d\n" % number for number in range(1, lines + 1))
