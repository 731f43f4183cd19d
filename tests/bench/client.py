"""A lean WebSocket client: blocking, one buffer, payloads counted and not copied.

The usual client libraries spend more CPU on a frame than the servers under test do; with them
the benchmark would measure the client.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from typing import NamedTuple

CONTROL, CLOSE, PING, PONG, BINARY = 0x8, 0x8, 0x9, 0xA, 0x2
HEAD_END = b"\r\n\r\n"
BUFFER = 1024 * 1024
TIMEOUT = 30.0  # seconds without a byte after which a measurement is given up


class Address(NamedTuple):
    """Where a terminal is: a Unix socket's path or a host and port, and the request's path.

    With ``wrapped``, bytes go in JSON, as terminado has it.  ``opening`` is what a client sends
    first; all up to an empty line is the answer to it.
    """

    server: str | tuple[str, int]
    path: str
    wrapped: bool = False
    opening: str = ""


class Broken(Exception):
    """The server closed the connection, refused the handshake or fell silent."""


def connection(address: Address) -> socket.socket:
    """A socket that is not connected yet, of the kind that ``address`` needs."""
    if isinstance(address.server, str):
        return socket.socket(socket.AF_UNIX)
    made = socket.socket(socket.AF_INET)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # keystrokes go out at once
    return made


def request(address: Address) -> bytes:
    """The handshake; offers no extension, so that nobody compresses."""
    server = address.server
    host = "docker" if isinstance(server, str) else f"{server[0]}:{server[1]}"
    return (
        f"GET {address.path} HTTP/1.1\r\nHost: {host}\r\n"
        f"Origin: http://{host}\r\n"  # dockerd's WebSocket library insists on one
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    ).encode()


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame of at most 65,535 bytes; the mask of zeros is legal and costs nothing."""
    size = len(payload)
    head = struct.pack("!BB", 0x80 | opcode, 0x80 | min(size, 126))
    return head + (struct.pack("!H", size) if size > 125 else b"") + bytes(4) + payload


GOODBYE = masked(CLOSE, struct.pack("!H", 1000))


class WebSocket:
    """One connection to a terminal."""

    def __init__(self, address: Address) -> None:
        self.sock = connection(address)
        self.sock.settimeout(TIMEOUT)
        self._buffer = memoryview(bytearray(BUFFER))
        self._data, self._at = self._buffer[:0], 0  # what was received, and how far it is read
        self._opcode, self._left = 0, 0  # of the frame that is being read
        self._wrapped = address.wrapped
        try:
            self.sock.connect(address.server)
            self.sock.sendall(request(address))
            self._data = memoryview(self._handshake())
            if address.opening:
                self.send(address.opening.encode())
                self.until(HEAD_END)
        except BaseException:
            self.sock.close()
            raise

    def _handshake(self) -> bytes:
        answer = b""
        while HEAD_END not in answer:
            got = self.sock.recv(65536)
            if not got:
                raise Broken("the server ended the connection in the handshake")
            answer += got
        head, _, early = answer.partition(HEAD_END)
        if not head.startswith(b"HTTP/1.1 101"):
            raise Broken(f"no WebSocket: {answer[:300].decode(errors='replace')}")
        return early

    # --- in -------------------------------------------------------------------------------

    def read(self) -> memoryview:
        """Output that came, a frame's or a part of it; good until the next ``read``.

        Raises ``TimeoutError`` when nothing comes, ``Broken`` at the end.
        """
        if not self._wrapped:
            return self._piece()
        kind, content = "", ""
        while kind != "stdout":
            kind, content = json.loads(self._message())
        return memoryview(content.encode())

    def _message(self) -> bytes:
        """A whole message; none of the servers breaks one up."""
        message = bytes(self._piece())
        while self._left:
            message += self._piece()
        return message

    def _piece(self) -> memoryview:
        while True:
            if not self._left and not self._header():
                self._more()
                continue
            if self._at == len(self._data):
                self._more()
            end = min(self._at + self._left, len(self._data))
            piece = self._data[self._at : end]
            self._left -= end - self._at
            self._at = end
            if self._opcode < CONTROL:
                return piece
            self._control(bytes(piece))

    def _more(self) -> None:
        """Receive more after what is not read yet, which is a piece of a header at the most."""
        rest = bytes(self._data[self._at :])
        size = self.sock.recv_into(self._buffer[len(rest) :])
        if not size:
            raise Broken("the server ended the connection")
        self._buffer[: len(rest)] = rest
        self._data, self._at = self._buffer[: len(rest) + size], 0

    def _header(self) -> bool:
        """Read the next frame's header; whether it was all there and its frame has content."""
        data, at = self._data, self._at
        while len(data) - at >= 2:
            short = data[at + 1]
            size = 2 if short < 126 else 4 if short == 126 else 10
            if len(data) - at < size:
                return False
            self._opcode = data[at] & 0xF
            self._left = short if size == 2 else int.from_bytes(data[at + 2 : at + size], "big")
            self._at = at = at + size
            if self._left:
                return True
            if self._opcode >= CONTROL:
                self._control(b"")
        return False

    def _control(self, payload: bytes) -> None:
        if self._opcode == CLOSE:
            raise Broken(f"closed by the server: {payload!r}")
        if self._opcode == PING:
            self.sock.sendall(masked(PONG, payload))

    def skip(self, amount: int) -> None:
        """Read ``amount`` bytes of payload."""
        while amount > 0:
            amount -= len(self.read())

    def until(self, marker: bytes) -> bytes:
        """Read to ``marker`` and the end of the piece that it is in; what came after it."""
        seen = b""
        while marker not in seen:
            seen = seen[-65536:] + bytes(self.read())
        return seen.partition(marker)[2]

    def quiet(self, seconds: float) -> None:
        """Read until nothing has come for ``seconds``."""
        self.sock.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            while True:
                self.read()
        self.sock.settimeout(TIMEOUT)

    # --- out ------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Type ``data``."""
        typed = json.dumps(["stdin", data.decode()]).encode() if self._wrapped else data
        self.sock.sendall(masked(BINARY, typed))

    def close(self) -> None:
        """Say goodbye and go."""
        with contextlib.suppress(OSError):
            self.sock.sendall(GOODBYE)
        self.sock.close()
