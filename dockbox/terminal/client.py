"""One client: what waits for it, and the only writer of its socket.

``offer`` never waits, so that one client cannot hold up another: what cannot go out at once goes
into the outbox, and the session waits for outboxes with room.  A greenlet writes an outbox down
and then ends: an idle client has none.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from termios import TIOCOUTQ

import gevent
from gevent.event import Event

from .websocket import BINARY, CLOSE, PING, PONG, TOO_SLOW, Socket, close_payload, frame

HIGH_WATER = 256 * 1024  # bytes that may wait before the session waits
LOW_WATER = 64 * 1024  # and how few before it goes on: fewer, longer turns for each side
FRAME = 64 * 1024  # bytes of output in one frame at the most
MOST_UNREAD = 1024 * 1024  # bytes of input that may wait for the shell, and one message more
LINGER = 2.0  # seconds for a client to take its close frame
# Bytes that the kernel may hold beyond what is on its way.  It would take megabytes, and say that
# there is room only when a third of them is gone: a slow reader would look like one that stopped,
# and what comes before the answer to a Ctrl-C would be as much longer.
UNSENT = 128 * 1024


class Client:
    """Output to one WebSocket, each frame beginning with ``prefix``.

    ``room`` is called when a full outbox has room again.
    """

    def __init__(self, sock: Socket, prefix: bytes = b"") -> None:
        self._sock = sock
        with contextlib.suppress(OSError):  # a Unix socket has no such option
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        self._prefix = prefix
        self.room: Callable[[], None] = lambda: None
        self._rest = memoryview(b"")  # of the frame that is being written
        self._control: deque[bytes] = deque()
        self._outbox: deque[bytes] = deque()
        self.waiting = 0  # bytes in _outbox
        self._writing = False
        self._paused = False
        self.closing = False
        self.closed: tuple[int, str] | None = None  # why it was closed by us
        self._offered = self._taken = 0  # bytes since the start
        self._mark: tuple[float, int] | None = None
        self._queued = 0  # bytes that the kernel held at the last look
        self.heard = self.moved = self._pinged = time.monotonic()
        self.unread = 0  # bytes of its input that the shell has not taken
        self._input_room = Event()
        self._deaf_since: float | None = None  # since when nobody reads from it

    def __repr__(self) -> str:
        return f"<Client waiting={self.waiting} paused={self._paused} closing={self.closing}>"

    # --- output ---------------------------------------------------------------------------

    def offer(self, data: bytes) -> None:
        """Send ``data``, now or as soon as the client takes it.  Never waits."""
        if self.closing:
            return
        self._offered += len(data)
        if self._writing or self._outbox or self._paused or len(data) > FRAME:
            self._outbox.append(data)
            self.waiting += len(data)
            if self.full and self._mark is None:
                self._mark = (time.monotonic(), self._offered)
            self._write()
        else:  # nothing before it: straight out, without a switch of greenlets
            self._taken += len(data)
            self._start(frame(BINARY, self._prefix + data))

    @property
    def full(self) -> bool:
        return self.waiting > HIGH_WATER

    @property
    def roomy(self) -> bool:
        return self.closing or self.waiting <= LOW_WATER

    def pause(self) -> None:
        """The client asks for silence; what comes waits in the outbox."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._write()

    def stalled(self, seconds: float, others: bool) -> bool:
        """Whether a client that was full, and is not roomy yet, has had its time.

        Alone, it may read as slowly as it likes, but must take something every ``seconds``.
        Where it holds ``others`` up, what was in its full outbox must be gone after ``seconds``.
        """
        if self.roomy or self._mark is None:
            return False
        queued = self._in_kernel()
        if queued < self._queued:
            self.moved = time.monotonic()
        self._queued = queued
        since = self._mark[0] if others else max(self._mark[0], self.moved)
        return time.monotonic() - since >= seconds

    def _in_kernel(self) -> int:
        """Bytes that are not sent, or not acknowledged; a very slow reader shows only here."""
        try:
            held: tuple[int] = struct.unpack("i", fcntl.ioctl(self._sock, TIOCOUTQ, bytes(4)))
        except (OSError, ValueError):  # closed meanwhile
            return 0
        return held[0]

    def message(self, data: bytes) -> None:
        """A whole message of the protocol's own, ahead of the output that waits."""
        self._control_frame(frame(BINARY, data))

    # --- control --------------------------------------------------------------------------

    def hear(self) -> None:
        """Something came from the client."""
        self.heard = time.monotonic()

    def keep_alive(self, interval: float) -> None:
        """Called often: ping every ``interval`` seconds; drop who is silent for three of them."""
        now = time.monotonic()
        if self._deaf_since is not None:  # its answers are behind input that nobody reads
            if now - self._deaf_since > 3 * interval:
                self.close(TOO_SLOW, "The shell does not take its input.")
        elif now - self.heard > 3 * interval:
            self.drop()
        if now - self._pinged >= interval:
            self._pinged = now
            if not self._control and not self.closing:
                self._control_frame(frame(PING, b""))

    # --- input ----------------------------------------------------------------------------

    def took(self, size: int) -> None:
        """The shell has taken ``size`` bytes of what this client typed."""
        self.unread -= size
        if self._deaf_since is not None:
            self._deaf_since = time.monotonic()
        if self.unread <= MOST_UNREAD:
            self._input_room.set()

    def wait_for_input_room(self) -> None:
        """Read no more from a client whose input piles up, until the shell has taken it."""
        if self.unread <= MOST_UNREAD:
            return
        self._deaf_since = time.monotonic()
        try:
            while self.unread > MOST_UNREAD and not self.closing:
                self._input_room.clear()
                self._input_room.wait()
        finally:
            self._deaf_since = None
            self.heard = time.monotonic()

    def pong(self, payload: bytes) -> None:
        """Answer a ping; one who pings and does not read gets a few answers and no more."""
        if len(self._control) < 8 and not self.closing:
            self._control_frame(frame(PONG, payload))

    def close(self, code: int, reason: str = "") -> None:
        """Drop what waits, send the close frame and, soon, end the connection.  Never waits."""
        if self.closing:
            return
        self.closing, self.closed = True, (code, reason)
        self._outbox.clear()
        self._control.clear()
        self.waiting, self._paused = 0, False
        self._control_frame(frame(CLOSE, close_payload(code, reason)))
        self.room()
        self._input_room.set()
        gevent.spawn_later(LINGER, self.drop)

    def close_after(self, code: int, reason: str) -> None:
        """Close when what waits is out, or after ``LINGER``."""
        self._flush()
        self.close(code, reason)

    def finish(self) -> None:
        """End the connection when what is being written is out, or after ``LINGER``."""
        self._flush()
        self.drop()

    def _flush(self) -> None:
        end = time.monotonic() + LINGER
        while self._writing and time.monotonic() < end:
            gevent.sleep(0.02)

    def drop(self) -> None:
        """End the connection without a word; wakes whoever reads from it."""
        self.closing = True
        self._outbox.clear()
        self.waiting = 0
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self.room()
        self._input_room.set()

    # --- writing --------------------------------------------------------------------------

    def _control_frame(self, data: bytes) -> None:
        if self._writing:
            self._control.append(data)
        else:
            self._start(data)

    def _start(self, data: bytes) -> None:
        """Begin a frame: what the kernel takes at once goes out here, the rest by a greenlet."""
        try:
            sent = self._sock.send(data, timeout=0.0)
            self.moved = time.monotonic()
        except (BlockingIOError, TimeoutError):
            sent = 0
        except OSError:
            self.drop()
            return
        if sent < len(data):
            self._rest = memoryview(data)[sent:]
            self._write()

    def _write(self) -> None:
        waits = self._rest or self._control or (self._outbox and not self._paused)
        if waits and not self._writing:
            self._writing = True
            gevent.spawn(self._drain)

    def _drain(self) -> None:
        try:
            while self._rest or self._next():
                sent = self._sock.send(self._rest)
                self.moved = time.monotonic()
                self._rest = self._rest[sent:]
                if self._mark and self._taken - len(self._rest) >= self._mark[1]:
                    self._mark = None
        except OSError:
            self.drop()
        finally:
            self._writing = False

    def _next(self) -> bool:
        """Make the next frame: control before output, and output coalesced."""
        if self._control:
            self._rest = memoryview(self._control.popleft())
            return True
        if self._paused or not self._outbox:
            return False
        pieces, size = [], 0
        while self._outbox and size < FRAME:
            piece = self._outbox.popleft()
            if (fits := FRAME - size) < len(piece):
                self._outbox.appendleft(piece[fits:])
                piece = piece[:fits]
            pieces.append(piece)
            size += len(piece)
        before, self.waiting = self.waiting, self.waiting - size
        self._taken += size
        self._rest = memoryview(frame(BINARY, self._prefix + b"".join(pieces)))
        if before > LOW_WATER >= self.waiting:
            self.room()
        return True
