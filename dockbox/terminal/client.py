"""One client: its outbox, its life signs, and how far the shell has taken what it typed."""

from __future__ import annotations

import contextlib
import socket
import time

import gevent
from gevent.event import Event

from .outbox import Outbox
from .traffic import Traffic
from .websocket import CLOSE, PING, PONG, TOO_SLOW, Socket, close_payload, frame

MOST_UNREAD = 1024 * 1024  # bytes of input that may wait for the shell, and one message more
MOST_PONGS = 8  # that may wait for one who pings and does not read
LINGER = 2.0  # seconds for a client to take its close frame


class Client(Outbox):
    """One WebSocket from the server's side; nothing here waits, unless its name says so."""

    def __init__(self, sock: Socket, prefix: bytes = b"", traffic: Traffic | None = None) -> None:
        super().__init__(sock, prefix, traffic or Traffic())
        self.closed: tuple[int, str] | None = None  # why it was closed by us
        self.heard = self._pinged = time.monotonic()
        self.unread = 0  # bytes of its input that the shell has not taken
        self._input_room: Event | None = None  # while it is waited for
        self._deaf_since: float | None = None  # since when nobody reads from it

    def __repr__(self) -> str:
        return f"<Client waiting={self.waiting} paused={self._paused} closing={self.closing}>"

    # --- life signs -----------------------------------------------------------------------

    def hear(self) -> None:
        """Something came from the client."""
        self.heard = time.monotonic()

    def keep_alive(self, interval: float) -> None:
        """Called often: ping every ``interval`` seconds; drop who is silent for three of them."""
        now = time.monotonic()
        if self._deaf_since is not None:  # its answers are behind input that nobody reads
            if now - self._deaf_since > 3 * interval:
                self.close(TOO_SLOW, "The shell does not take its input.")
        elif self.takes_output():  # its answers are behind it, perhaps for minutes
            self.heard = now
        elif now - self.heard > 3 * interval:
            self.drop()
        if now - self._pinged >= interval:
            self._pinged = now
            if not self.controls and not self.closing:
                self.control(frame(PING, b""))

    def pong(self, payload: bytes) -> None:
        """Answer a ping; one who pings and does not read gets a few answers and no more."""
        if self.controls < MOST_PONGS and not self.closing:
            self.control(frame(PONG, payload))

    # --- input ----------------------------------------------------------------------------

    def took(self, size: int) -> None:
        """The shell has taken ``size`` bytes of what this client typed."""
        self.unread -= size
        if self._deaf_since is not None:
            self._deaf_since = time.monotonic()
        if self.unread <= MOST_UNREAD:
            self._wake()

    def wait_for_input_room(self) -> None:
        """Read no more from a client whose input piles up, until the shell has taken it."""
        if self.unread <= MOST_UNREAD:
            return
        self._deaf_since = time.monotonic()
        self._input_room = Event()
        try:
            while self.unread > MOST_UNREAD and not self.closing:
                self._input_room.clear()
                self._input_room.wait()
        finally:
            self._input_room = self._deaf_since = None
            self.heard = time.monotonic()

    def _wake(self) -> None:
        if self._input_room:
            self._input_room.set()

    # --- the end --------------------------------------------------------------------------

    def close(self, code: int, reason: str = "") -> None:
        """Drop what waits, send the close frame and, soon, end the connection."""
        if self.closing:
            return
        self.closing, self.closed = True, (code, reason)
        self.empty()
        self.control(frame(CLOSE, close_payload(code, reason)))
        self._wake()
        gevent.spawn_later(LINGER, self.drop)

    def drop(self) -> None:
        super().drop()
        self._wake()

    def close_after_output(self, code: int, reason: str) -> None:
        """Wait for ``LINGER`` at the most until what waits is out, and close."""
        self._wait_for_output()
        self.close(code, reason)

    def wait_and_drop(self) -> None:
        """End the connection when what waits is out and the client has seen it.

        Waits twice ``LINGER`` at the most.  What still comes is read, or the system would
        answer it with a reset, which takes from the client what it has not read yet (RFC 6455,
        7.1.1).
        """
        self._wait_for_output()
        with contextlib.suppress(OSError), gevent.Timeout(LINGER, False):
            self._sock.shutdown(socket.SHUT_WR)
            while self._sock.recv(65536):
                gevent.sleep(0)  # one who never stops sending would stop the clock, too
        self.drop()

    def _wait_for_output(self) -> None:
        end = time.monotonic() + LINGER
        while self.writing and time.monotonic() < end:
            gevent.sleep(0.02)
