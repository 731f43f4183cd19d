"""One attached container and its clients: the pump between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import gevent
from gevent.event import Event

from .client import Client
from .scrollback import Scrollback, replayable
from .websocket import TOO_SLOW

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
        self,
        stream: Stream,
        scrollback: int,
        stall_timeout: float,
        resize: Callable[[int, int], None],
    ) -> None:
        self._stream = stream
        self._stall_timeout = stall_timeout
        self._scrollback = Scrollback(scrollback)
        self._clients: list[Client] = []
        self._room = Event()
        self._input: deque[tuple[Client, memoryview]] = deque()
        self._typing = False
        self._resize = resize
        self._sizes: dict[Client, tuple[int, int]] = {}
        self._size: tuple[int, int] | None = None
        self._sizing = False
        self.heard = False  # whether anything has come, what Docker's log replays aside
        self.ended = Event()

    def __repr__(self) -> str:
        return f"<Session clients={self._clients} size={self._size} ended={self.ended.is_set()}>"

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
        """Forget ``client``; the terminal's size is that of those who stay."""
        if client in self._clients:
            self._clients.remove(client)
        self._room.set()
        if self._sizes.pop(client, None):
            self._apply_size()

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

    # --- size -----------------------------------------------------------------------------

    def size(self, client: Client, rows: int, cols: int) -> None:
        """``client`` has this many rows and columns; the terminal fits the smallest."""
        self._sizes[client] = (rows, cols)
        self._apply_size()

    def _apply_size(self) -> None:
        # The last size told wins: whoever comes while one is being set leaves it to that one.
        if self._sizing:
            return
        self._sizing = True
        try:
            while self._sizes and not self.ended.is_set():
                rows = min(size[0] for size in self._sizes.values())
                cols = min(size[1] for size in self._sizes.values())
                if (rows, cols) == self._size:
                    return
                self._resize(rows, cols)
                self._size = (rows, cols)
        finally:
            self._sizing = False

    # --- pump -----------------------------------------------------------------------------

    def settle(self) -> None:
        """Take what Docker's log replays, before the first client joins."""
        data = self._stream.settle(0.015, 0.3, 4 * 2**20)
        if data:
            self._scrollback.append(replayable(data, cut=False))

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
