"""The server's side of a WebSocket whose handshake is done (RFC 6455).

wsproto parses what comes in.  What goes out is framed here: server frames are a header and
the bytes as they are, and flow control needs to know where a frame ends.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import gevent
from wsproto import WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.utilities import RemoteProtocolError

BINARY, CLOSE, PING, PONG = 0x2, 0x8, 0x9, 0xA
NORMAL, GOING_AWAY, PROTOCOL, NOT_ALLOWED = 1000, 1001, 1002, 1008
TOO_BIG, FAILED, TOO_SLOW = 1009, 1011, 1013
NO_CLOSE = 1006  # never sent: how the end of a connection without a close is called
TURN, LASTS = 4, 0.001  # frames in a row, and seconds before there are more of them
MOST_FRAGMENTS = 65536  # of one message, which they would not make larger, being empty


class Socket(Protocol):
    """What is used of a gevent socket."""

    def fileno(self) -> int: ...
    def recv(self, size: int) -> bytes: ...
    def send(self, data: Any, flags: int = 0, timeout: Any = ...) -> int: ...
    def setsockopt(self, level: int, option: int, value: int) -> None: ...
    def getsockopt(self, level: int, option: int, size: int) -> bytes: ...
    def shutdown(self, how: int) -> None: ...


class Refused(Exception):
    """The client sent what it may not: arguments are the close code and the reason."""


def frame(opcode: int, payload: bytes) -> bytes:
    """A whole, final, unmasked frame."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


def close_payload(code: int, reason: str) -> bytes:
    """A close frame's payload; the reason is cut to the 123 bytes that fit."""
    return struct.pack("!H", code) + reason.encode()[:123].decode(errors="ignore").encode()


class Incoming:
    """Messages from a client, whose handshake ``parser`` has done.

    ``most`` is how many bytes a message may have, from now on.  ``heard`` is called whenever
    anything arrives, ``pong`` with a payload to be sent back.
    """

    def __init__(
        self, sock: Socket, parser: WSConnection, most: int,
        heard: Callable[[], None], pong: Callable[[bytes], None],
    ) -> None:  # fmt: skip
        self._sock, self._parser, self.most = sock, parser, most
        self._heard, self._pong = heard, pong

    def __iter__(self) -> Iterator[bytes]:
        """Each message, text as UTF-8; ends when the client closes or vanishes.

        Raises ``Refused`` with the code to close with, at the first frame that breaks the
        protocol or makes a message longer than ``most`` bytes.
        """
        pieces: list[bytes] = []
        size = fragments = 0
        turn, since = 0, time.monotonic()  # frames of this turn, and its beginning
        while True:
            try:
                data = self._sock.recv(65536)
            except OSError:
                return
            if not data:
                return
            self._heard()
            if len(data) >= 4096:
                turn = TURN
            for event in self._events(data):
                if isinstance(event, (TextMessage, BytesMessage)):
                    piece = event.data.encode() if isinstance(event.data, str) else event.data
                    pieces.append(bytes(piece))
                    size += len(piece)
                    fragments += 1
                    if size > self.most or fragments > MOST_FRAGMENTS:
                        raise Refused(TOO_BIG, "The message is too big.")
                    if event.message_finished:
                        whole = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                        pieces, size, fragments = [], 0, 0
                        yield whole
                    elif len(pieces) > 1024:  # tiny fragments must not cost more than bytes do
                        pieces = [b"".join(pieces)]
                elif isinstance(event, Ping):
                    self._pong(bytes(event.payload))
                elif isinstance(event, CloseConnection):
                    if self._parser.state is ConnectionState.OPEN:  # wsproto's, not the client's
                        raise Refused(int(event.code), "That is not the WebSocket protocol.")
                    return
                turn += 1
                if turn >= TURN:
                    # Reading does not wait while there is something to be read, and one who
                    # sends frames without end would take all of the worker's time.
                    gevent.sleep(max(0, since + LASTS - time.monotonic()))
                    turn, since = 0, time.monotonic()

    def _events(self, data: bytes) -> Iterator[Any]:
        try:
            self._parser.receive_data(data)
            yield from self._parser.events()
        except RemoteProtocolError:
            raise Refused(PROTOCOL, "That is not the WebSocket protocol.") from None
