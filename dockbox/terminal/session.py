"""One attached container and its clients: the pump between them."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import gevent
from gevent.event import Event

from . import marks
from .client import Client
from .scrollback import Scrollback, replayable
from .websocket import TOO_SLOW

QUIET = 0.015  # seconds without output after which the terminal is quiet
CATCH_UP = 2.0  # seconds until a mark is given up, on the way or in Docker's log
BURST = 4096  # bytes at once that make a flood
PIECE = 32 * 1024  # bytes of input between two looks at how far it is


class Stream(Protocol):
    """What a session needs of an attach stream (``runtime.base.AttachStream``)."""

    def recv(self, size: int = 65536) -> bytes: ...
    def send_now(self, data: bytes) -> int: ...
    def sendall(self, data: bytes | memoryview) -> None: ...
    def settle(self, quiet: float, most: float, size: int) -> bytes: ...
    def check(self) -> None: ...
    def close(self) -> None: ...


class Session:
    """Output of one ``stream`` to every client, input of every client to the stream.

    The stream is always read, or the container would stop (moby#41827): the only wait is for a
    client with a full outbox, and that one is dropped when it takes too long.
    """

    def __init__(
        self, stream: Stream, container: str, scrollback: int, stall_timeout: float
    ) -> None:
        self._stream = stream
        self.container = container
        self._stall_timeout = stall_timeout
        self._most_replay = scrollback
        self._scrollback = Scrollback(scrollback)
        self._clients: list[Client] = []
        self._room = Event()
        self._input: deque[tuple[Client, memoryview]] = deque()
        self._typing = False
        self.ended = Event()

    def __repr__(self) -> str:
        return f"<Session {self.container} {self._clients} ended={self.ended.is_set()}>"

    @property
    def empty(self) -> bool:
        return not self._clients

    @property
    def clients(self) -> tuple[Client, ...]:
        return tuple(self._clients)

    # --- clients --------------------------------------------------------------------------

    def join(self, client: Client) -> bool:
        """Replay, and from then on everything; false when the session has ended.

        Nothing here waits, so that no byte is lost or doubled.
        """
        if self.ended.is_set():
            return False
        client.room = self._room.set
        replay = self._scrollback.replay()
        if replay:
            client.offer(replay)
        self._clients.append(client)
        return True

    def leave(self, client: Client) -> None:
        """Forget ``client``."""
        if client in self._clients:
            self._clients.remove(client)
        self._room.set()

    def check(self) -> None:
        """Called often: end when Docker has not taken what was typed for too long."""
        self._stream.check()

    def close(self, code: int, reason: str) -> None:
        """Close every client, and the stream with them."""
        for client in tuple(self._clients):
            client.close(code, reason)
        self._stream.close()

    # --- input ----------------------------------------------------------------------------

    def type(self, client: Client, data: bytes) -> None:
        """A message of ``client`` for the shell, after all that were typed before.  Never waits.

        What the shell does not take yet is counted in ``client.unread``.
        """
        sent = 0
        if not self._typing:
            try:
                sent = self._stream.send_now(data)
            except OSError:
                return  # the shell is gone; the pump says so
        if sent < len(data):
            client.unread += len(data) - sent
            self._input.append((client, memoryview(data)[sent:]))
            if not self._typing:
                self._typing = True
                gevent.spawn(self._type)

    def _type(self) -> None:
        """Write what waits, one message after the other: typists never mix inside one."""
        try:
            while self._input:
                client, data = self._input[0]
                piece, rest = data[:PIECE], data[PIECE:]
                self._stream.sendall(piece)
                client.took(len(piece))
                if rest:
                    self._input[0] = (client, rest)
                else:
                    self._input.popleft()
        except OSError:
            pass  # the shell is gone; the pump says so
        finally:
            self._typing = False
            for client, data in self._input:
                client.took(len(data))
            self._input.clear()

    # --- pump -----------------------------------------------------------------------------

    def settle(self, recent: Callable[[], bytes], mark: Callable[[str], None] | None) -> None:
        """Take what was printed before the stream began, before the first client joins.

        ``recent`` is Docker's log, which has whole lines and may be a megabyte behind.  ``mark``
        prints a mark, ``None`` where nothing runs that could: what the log has before the mark
        and the stream behind it is the whole, without a gap or a double, and with the line that
        was not finished.  Raises what the two raise.
        """
        if mark is None:
            self._scrollback.begin(recent(), False)
        else:
            self._scrollback.begin(*self._joined(recent, mark))

    def _joined(
        self, recent: Callable[[], bytes], mark: Callable[[str], None]
    ) -> tuple[bytes, bool]:
        """The output so far, and whether something is missing."""
        token = secrets.token_hex(8)
        whole_mark = marks.pattern(token)
        mark(token)
        live, seen, end = b"", False, time.monotonic() + CATCH_UP
        while time.monotonic() < end:
            live += self._stream.settle(QUIET, 4 * QUIET, self._most_replay)
            if not seen and (match := whole_mark.search(live)):
                live, seen = live[match.end() :], True
            if seen and len(live) >= self._most_replay:
                return replayable(live, cut=True), True  # no need of the log
            if seen and (at := (log := recent()).rfind(marks.begin(token))) >= 0:
                return log[:at] + live, len(log) >= self._most_replay
            live = live[-self._most_replay :]
            gevent.sleep(0.005)  # or a stream that has ended would be asked again and again
        return recent() + live, True

    @property
    def cut(self) -> bool:
        """Whether newcomers do not get all output from the beginning on."""
        return self._scrollback.cut

    def pump(self) -> None:
        """Run until the stream ends; then ``ended`` is set and the stream closed."""
        try:
            unmarked = marks.Unmarked()
            while received := self._stream.recv():
                if data := unmarked.feed(received):
                    self._spread(data)
            if unmarked.held:
                self._spread(unmarked.held)
        except OSError:
            pass  # the connection to Docker broke: an end like any other, told by the caller
        finally:
            self.ended.set()
            self._stream.close()

    def _spread(self, data: bytes) -> None:
        self._scrollback.append(data)
        full = False
        for client in self._clients:
            client.offer(data)
            full = full or client.full
        if full:
            self._wait_for_room()
        elif len(data) >= BURST:
            gevent.sleep(0)  # or one flood would starve every other terminal

    def _wait_for_room(self) -> None:
        """Wait for every full client to be roomy again, and drop those that take too long.

        The fastest is held up by the slowest, as at any terminal, but never for long.
        """
        held = [client for client in self._clients if client.full]
        while held := [client for client in held if not client.roomy]:
            self._room.clear()
            others = len(self._clients) > len(held)
            for client in held:
                if client.stalled(self._stall_timeout, others):
                    client.close(TOO_SLOW, "The output was not read. Connect again.")
                    self.leave(client)
            self._room.wait(min(0.25, self._stall_timeout / 4))
