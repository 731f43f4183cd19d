"""One attached container and its clients: the pump between them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import gevent
from gevent.event import Event

from .client import Client
from .scrollback import Scrollback, replayable, stitched
from .websocket import TOO_SLOW

QUIET = 0.015  # seconds without output after which the terminal is quiet
CATCH_UP = 2.0  # seconds that Docker's log may be behind before it is given up
BURST = 4096  # bytes at once that make a flood
PIECE = 32 * 1024  # bytes of input between two looks at how far it is


class Stream(Protocol):
    """What a session needs of an attach stream (``runtime.base.AttachStream``)."""

    def recv(self, size: int = 65536) -> bytes: ...
    def send_now(self, data: bytes) -> int: ...
    def sendall(self, data: bytes | memoryview) -> None: ...
    def settle(self, quiet: float, most: float, size: int) -> bytes: ...
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
        self.heard = False  # whether anything has come, what Docker's log replays aside
        self.ended = Event()

    def __repr__(self) -> str:
        return f"<Session {self.container} {self._clients} ended={self.ended.is_set()}>"

    @property
    def empty(self) -> bool:
        return not self._clients

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

    def settle(self, recent: Callable[[], bytes], running: bool) -> None:
        """Take what was printed before the stream began, before the first client joins.

        ``recent`` is Docker's log, which may be a megabyte behind a ``running`` container.  It has
        caught up when it goes over into what the stream has brought, or does not grow any more.
        A stream that has brought more than the scrollback holds needs no log.
        """
        end, live, before = time.monotonic() + CATCH_UP, b"", None
        while True:
            live += self._stream.settle(QUIET, 4 * QUIET, self._most_replay)
            if cut := len(live) >= self._most_replay:
                whole: bytes | None = live
                break
            log = recent()
            whole = stitched(log, live)
            if whole is not None and (b"\n" in live or log == before or not running):
                break
            if time.monotonic() > end:
                whole = log + live if whole is None else whole
                break
            before = log
        if whole:
            self._scrollback.append(replayable(whole, cut))

    def pump(self) -> None:
        """Run until the stream ends; then ``ended`` is set and the stream closed."""
        try:
            while data := self._stream.recv():
                self.heard = True
                self._scrollback.append(data)
                full = False
                for client in self._clients:
                    client.offer(data)
                    full = full or client.full
                if full:
                    self._wait_for_room()
                elif len(data) >= BURST:
                    gevent.sleep(0)  # or one flood would starve every other terminal
        except OSError:
            pass  # the connection to Docker broke: an end like any other, told by the caller
        finally:
            self.ended.set()
            self._stream.close()

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
