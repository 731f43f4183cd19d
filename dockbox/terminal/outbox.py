"""What waits for one client, and the only writer of its socket.

``offer`` never waits, so that one client cannot hold up another: what cannot go out at once
waits, and the session waits for outboxes with room.  A greenlet writes an outbox down and then
ends: an idle client has none.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import time
from collections.abc import Callable
from termios import TIOCOUTQ

import gevent

from .traffic import Traffic
from .websocket import BINARY, Socket, frame

HIGH_WATER = 256 * 1024  # bytes that may wait before the session waits
LOW_WATER = 64 * 1024  # and how few before it goes on: fewer, longer turns for each side
FRAME = 64 * 1024  # bytes of output in one frame at the most
# Bytes that the kernel may hold beyond what is on its way.  It would take megabytes, and say that
# there is room only when a third of them is gone: a slow reader would look like one that stopped,
# and what comes before the answer to a Ctrl-C would be as much longer.
UNSENT = 128 * 1024
TCP_INFO, ACKNOWLEDGED = 128, 120  # bytes of linux/tcp.h's tcp_info; where tcpi_bytes_acked is


class Outbox:
    """Output to one WebSocket, each frame beginning with ``prefix``.

    ``room`` is called when a full outbox has room again, or will never have.  ``traffic`` is
    told what is sent.
    """

    def __init__(self, sock: Socket, prefix: bytes, traffic: Traffic) -> None:
        self._sock = sock
        with contextlib.suppress(OSError):  # a Unix socket has no such option
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        self._prefix, self._traffic = prefix, traffic
        self.room: Callable[[], None] = lambda: None
        self._rest = memoryview(b"")  # of the frame that is being written
        self._control: list[bytes] = []  # whole frames, ahead of the output
        self._output = bytearray()
        self.writing = False
        self._paused = False
        self.closing = False
        self._offered = self._taken = 0  # bytes since the start
        self._mark: tuple[float, int] | None = None
        self._queued = 0  # bytes that the kernel held at the last look
        self._moved = time.monotonic()
        self._acknowledged = 0

    @property
    def waiting(self) -> int:
        """Bytes of output."""
        return len(self._output)

    @property
    def full(self) -> bool:
        return self.waiting > HIGH_WATER

    @property
    def roomy(self) -> bool:
        return self.closing or self.waiting <= LOW_WATER

    def offer(self, data: bytes) -> None:
        """Send ``data``, now or as soon as the client takes it.  Never waits."""
        if self.closing:
            return
        self._offered += len(data)
        if self.writing or self._output or self._paused or len(data) > FRAME:
            self._output += data
            if self.full and self._mark is None:
                self._mark = (time.monotonic(), self._offered)
            self._write()
        else:  # nothing before it: straight out, without a switch of greenlets
            self._taken += len(data)
            self._traffic.sent += len(data)
            self._start(frame(BINARY, self._prefix + data))

    def message(self, data: bytes) -> None:
        """A whole message of the protocol's own, ahead of the output that waits."""
        self.control(frame(BINARY, data))

    def control(self, data: bytes) -> None:
        """A whole frame, ahead of the output that waits."""
        if self.writing:
            self._control.append(data)
        else:
            self._start(data)

    @property
    def controls(self) -> int:
        """Frames that wait ahead of the output."""
        return len(self._control)

    def pause(self) -> None:
        """The client asks for silence; what comes waits."""
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
            self._moved = time.monotonic()
        self._queued = queued
        since = self._mark[0] if others else max(self._mark[0], self._moved)
        return time.monotonic() - since >= seconds

    def _in_kernel(self) -> int:
        """Bytes that are not sent, or not acknowledged; a very slow reader shows only here."""
        try:
            held: tuple[int] = struct.unpack("i", fcntl.ioctl(self._sock, TIOCOUTQ, bytes(4)))
        except (OSError, ValueError):  # closed meanwhile
            return 0
        return held[0]

    def takes_output(self) -> bool:
        """Whether something of what waits has arrived since the last look, however little."""
        try:
            info = self._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO)
            acknowledged = struct.unpack_from("Q", info, ACKNOWLEDGED)[0]
        except (OSError, struct.error):  # closed meanwhile; a Unix socket; an old kernel
            return False
        before, self._acknowledged = self._acknowledged, acknowledged
        return self.writing and acknowledged > before

    def empty(self) -> None:
        """Drop what waits; a frame that was begun is still written to its end."""
        self._output.clear()
        self._control.clear()
        self._paused = False
        self.room()

    def drop(self) -> None:
        """End the connection without a word; wakes whoever reads from it."""
        self.closing = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self.empty()

    # --- writing --------------------------------------------------------------------------

    def _start(self, data: bytes) -> None:
        """Begin a frame: what the kernel takes at once goes out here, the rest by a greenlet."""
        try:
            sent = self._sock.send(data, timeout=0.0)
            self._moved = time.monotonic()
        except (BlockingIOError, TimeoutError):
            sent = 0
        except OSError:
            self.drop()
            return
        if sent < len(data):
            self._rest = memoryview(data)[sent:]
            self._write()

    def _write(self) -> None:
        waits = self._rest or self._control or (self._output and not self._paused)
        if waits and not self.writing:
            self.writing = True
            gevent.spawn(self._drain)

    def _drain(self) -> None:
        try:
            while self._rest or self._next():
                sent = self._sock.send(self._rest)
                self._moved = time.monotonic()
                self._rest = self._rest[sent:]
                if self._mark and self._taken - len(self._rest) >= self._mark[1]:
                    self._mark = None
        except OSError:
            self.drop()
        finally:
            self.writing = False

    def _next(self) -> bool:
        """Make the next frame: control before output, and of the output all that fits."""
        if self._control:
            self._rest = memoryview(self._control.pop(0))
            return True
        if self._paused or not self._output:
            return False
        before, piece = self.waiting, bytes(self._output[:FRAME])
        del self._output[:FRAME]
        self._taken += len(piece)
        self._traffic.sent += len(piece)
        self._rest = memoryview(frame(BINARY, self._prefix + piece))
        if before > LOW_WATER >= self.waiting:
            self.room()
        return True
