"""A terminal with bash in it, driven from outside."""

from __future__ import annotations

import time
from typing import Self

from .client import Address, WebSocket

INTERRUPT = b"\x03"
YES = b"yes 'a line as a compiler or a test run may print it, again and again'\n"
SETTLE = 0.4  # seconds in which what a server does at a new connection is done


class Shell(WebSocket):
    """A WebSocket whose other end is a prompt, or a program that Ctrl-C ends."""

    @classmethod
    def settled(cls, address: Address) -> Self:
        """A shell at the prompt, with a server that is done with the connecting."""
        shell = cls(address)
        shell.sync()
        time.sleep(SETTLE)
        shell.sync()
        return shell

    def sync(self) -> None:
        """Wait until bash has done everything typed so far."""
        # The marker is put together by the shell: the echo of the command must not match.
        self.send(b"printf 'RE%s' ADY\n")
        self.until(b"READY")

    def interrupt(self) -> None:
        """End what runs, and have a sane terminal at the prompt again."""
        self.send(INTERRUPT)
        self.quiet(0.1)
        self.send(b"stty sane\n")
        self.sync()

    def run(self, command: str) -> bytes:
        """Start ``command`` without echo; returns what came after its start already.

        ``-icanon -opost`` makes the terminal pass bytes on as they are; Ctrl-C still works.
        """
        quiet = "stty -echo -icanon -opost min 1 time 0"
        self.send(f"{quiet}; printf 'ST%s' ART; {command}\n".encode())
        return self.until(b"START")
