"""A client over a socket pair, and a reader of the frames that it sends."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import gevent
from gevent import socket

from dockbox.terminal.client import Client
from dockbox.terminal.websocket import BINARY, CLOSE

OPENED: list[Any] = []  # closed after each test


def socketpair() -> tuple[Any, Any]:
    pair: tuple[Any, Any] = socket.socketpair()
    OPENED.extend(pair)
    return pair


class Pair:
    """``client`` writes to a kernel buffer of a few kB; ``far`` is the browser's end."""

    def __init__(self, prefix: bytes = b"", buffer: int = 4096) -> None:
        near, self.far = socketpair()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        self.far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.near = near
        self.client = Client(near, prefix)
        self.received = b""

    def frames(self, seconds: float = 10.0) -> Iterator[tuple[int, bytes]]:
        """Every frame until the connection ends or nothing more comes."""
        buffer = b""
        self.far.settimeout(seconds)
        while True:
            while (parsed := split(buffer)) is not None:
                opcode, payload, buffer = parsed
                yield opcode, payload
            try:
                data = self.far.recv(65536)
            except TimeoutError:
                return
            if not data:
                assert not buffer, "the connection ended inside a frame"
                return
            buffer += data

    def carrying(self, size: int, seconds: float = 10.0) -> Iterator[tuple[int, bytes]]:
        """Every frame until those of output had ``size`` bytes, or nothing more comes."""
        for opcode, payload in self.frames(seconds):
            yield opcode, payload
            if opcode == BINARY:
                size -= len(payload)
                if size <= 0:
                    return

    def output(self, size: int, seconds: float = 10.0) -> bytes:
        """The payloads of the next ``size`` bytes of output, or what came of them."""
        frames = self.carrying(size, seconds)
        return b"".join(payload for opcode, payload in frames if opcode == BINARY)

    def close_frame(self) -> tuple[int, str]:
        for opcode, payload in self.frames():
            if opcode == CLOSE:
                return struct.unpack("!H", payload[:2])[0], payload[2:].decode()
        raise AssertionError("no close frame")


def split(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Opcode, payload and the rest; ``None`` while a frame is not complete."""
    if len(data) < 2:
        return None
    size, head = data[1], 2
    assert data[0] & 0x80 and not size & 0x80, "a server sends whole, unmasked frames"
    if size == 126:
        if len(data) < 4:
            return None
        size, head = struct.unpack("!H", data[2:4])[0], 4
    elif size == 127:
        if len(data) < 10:
            return None
        size, head = struct.unpack("!Q", data[2:10])[0], 10
    if len(data) < head + size:
        return None
    return data[0] & 0x0F, data[head : head + size], data[head + size :]


class FakeStream:
    """A shell: what is ``put`` comes out, what is typed lands in ``typed``."""

    def __init__(self) -> None:
        self.near, self.far = socketpair()
        self.typed = b""

    def put(self, data: bytes) -> None:
        self.far.sendall(data)

    def end(self) -> None:
        self.far.close()

    def recv(self, size: int = 65536) -> bytes:
        return bytes(self.near.recv(size))

    def send_now(self, data: bytes) -> int:
        self.typed += data[:3]  # as full a buffer as can be
        return min(3, len(data))

    def sendall(self, data: bytes | memoryview) -> None:
        for byte in (data[i : i + 7] for i in range(0, len(data), 7)):
            self.typed += byte
            gevent.sleep(0)  # a switch in the middle of each message

    def check(self) -> None:
        pass

    def settle(self, quiet: float, most: float, size: int) -> bytes:
        return b""

    def close(self) -> None:
        self.near.close()


def until(condition: Callable[[], object]) -> None:
    """Let the others go on until it is so."""
    with gevent.Timeout(10):
        while not condition():
            gevent.sleep(0.001)


def spawn(work: Any, *args: Any) -> gevent.Greenlet:
    greenlet = gevent.spawn(work, *args)
    gevent.sleep(0)
    return greenlet
