"""Clients that nobody wants, all at once, in a process of its own, until SIGTERM.

    python -m tests.support.hostile HOST:PORT FLOODED QUIET SILENT

``FLOODED`` and ``QUIET`` are ids of dockboxes, of which the first will run ``yes``; ``SILENT`` is
how many connect to the second and say nothing.  Says ``hostile`` when all have begun.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

HANDSHAKE = (
    "GET /v1/dockbox/ws/{} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MASK = b"\0\0\0\0"  # a mask that changes nothing
TINY = (b"\x82\x81" + MASK + b"#") * 1000  # a thousand frames of one byte
FRAGMENT = b"\x00\x80" + MASK  # nothing, to be continued


class Hostile:
    """All of them against one server."""

    def __init__(self, netloc: str, flooded: str, quiet: str) -> None:
        self._netloc, self._flooded, self._quiet = netloc, flooded, quiet
        self._kept: list[socket.socket] = []

    def connect(self, id: str, buffer: int = 4096) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.settimeout(30)
        host, port = self._netloc.rsplit(":", 1)
        sock.connect((host, int(port)))
        sock.sendall(HANDSHAKE.format(id, self._netloc).encode())
        if not sock.recv(12).endswith(b"101"):
            raise OSError("no upgrade")
        return sock

    def flood(self) -> None:
        """``yes``, and nobody who reads it as it comes."""
        sock = self.connect(self._flooded)
        sock.sendall(b"\x82\x84" + MASK + b"yes\r")
        self.read_slowly(sock)

    def never_read(self) -> None:
        sock = self.connect(self._flooded)
        while True:  # dropped and there again
            time.sleep(5)
            with contextlib.suppress(OSError):
                sock.close()
            sock = self.connect(self._flooded)

    def read_slowly(self, sock: socket.socket | None = None) -> None:
        """One byte a second."""
        sock = sock or self.connect(self._flooded)
        while sock.recv(1):
            time.sleep(1)

    def type_tiny_frames(self) -> None:
        """A hundred thousand of them and more, into a line that never ends."""
        sock = self.connect(self._flooded)
        while True:
            sock.sendall(TINY)

    def never_finish_a_message(self) -> None:
        sock = self.connect(self._quiet)
        sock.sendall(b"\x02\x80" + MASK)
        while True:
            sock.sendall(FRAGMENT * 1000)

    def forget_the_mask(self) -> None:
        while True:
            with self.connect(self._quiet) as sock:
                sock.sendall(b"\x82\x05hello" * 100)
                while sock.recv(65536):
                    pass

    def leave_amid_a_frame(self) -> None:
        while True:
            with self.connect(self._quiet) as sock:
                sock.sendall(b"\x82\xfe\xff\xff" + MASK + os.urandom(100))

    def say_nothing(self, number: int) -> None:
        self._kept += [self.connect(self._quiet) for _ in range(number)]

    def begin(self) -> None:
        """Start all but the silent; whoever is thrown out comes again."""
        for work in (
            self.flood, self.never_read, self.never_read, self.read_slowly, self.type_tiny_frames,
            self.never_finish_a_message, self.forget_the_mask, self.leave_amid_a_frame,
        ):  # fmt: skip
            threading.Thread(target=_again, args=(work,), daemon=True).start()


def _again(work: Callable[[], None]) -> None:
    while True:
        with contextlib.suppress(OSError):
            work()
        time.sleep(0.05)


def main() -> None:
    netloc, flooded, quiet, silent = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started this
    os.nice(10)  # real ones would use processors of their own, not the server's
    hostile = Hostile(netloc, flooded, quiet)
    hostile.say_nothing(int(silent))
    hostile.begin()
    print("hostile", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
