"""docker-py's attach socket made safe: no byte lost, no leak, several greenlets."""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import time
from typing import Any

import gevent
from requests import Response

# A dead engine behind TCP is noticed after 15 + 3 * 5 seconds.
KEEPALIVE = (
    (socket.SO_KEEPALIVE, 1),
    (socket.TCP_KEEPIDLE, 15),
    (socket.TCP_KEEPINTVL, 5),
    (socket.TCP_KEEPCNT, 3),
)


class HijackedStream:
    """The two-way stream behind the engine's answer to ``POST /containers/…/attach``.

    ``wrapper`` is what docker-py returns.  The inner socket is used directly; what the HTTP
    client has read beyond the answer's headers comes first.
    """

    def __init__(self, wrapper: Any, response: Response) -> None:
        self._wrapper = wrapper
        self._response = response
        inner: Any = wrapper  # over TLS docker-py gives the socket itself
        self._socket = inner._sock if isinstance(wrapper, io.RawIOBase) else inner
        self._early = self._read_early()
        self._socket.settimeout(None)
        if self._socket.family in (socket.AF_INET, socket.AF_INET6):
            self._socket.setsockopt(socket.SOL_SOCKET, *KEEPALIVE[0])
            for option in KEEPALIVE[1:]:
                self._socket.setsockopt(socket.IPPROTO_TCP, *option)

    def _read_early(self) -> bytes:
        """What is in the HTTP client's buffer: peek, with the socket set not to wait."""
        raw: Any = self._response.raw
        buffered = getattr(getattr(raw, "_fp", None), "fp", None)
        if not isinstance(buffered, io.BufferedReader):
            return b""
        self._socket.settimeout(0)
        held = buffered.peek()  # reads once from the socket if the buffer is empty
        return buffered.read(len(held)) if held else b""

    def recv(self, size: int = 65536) -> bytes:
        if self._early:
            early, self._early = self._early[:size], self._early[size:]
            return early
        data: bytes = self._socket.recv(size)
        return data

    def send_now(self, data: bytes) -> int:
        if isinstance(self._socket, ssl.SSLSocket):
            return 0  # TLS may have to wait for either direction
        try:
            return int(self._socket.send(data, timeout=0.0))
        except (BlockingIOError, TimeoutError):
            return 0

    def sendall(self, data: bytes | memoryview) -> None:
        self._socket.sendall(data)

    def settle(self, quiet: float, most: float, size: int) -> bytes:
        pieces, end, total = [], time.monotonic() + most, 0
        while total < size and (left := end - time.monotonic()) > 0:
            with gevent.Timeout(min(quiet, left), False):
                data = self.recv(min(65536, size - total))
                pieces.append(data)
                total += len(data)
                if data:
                    continue
            break
        return b"".join(pieces)

    def close(self) -> None:
        # Everything, or the engine keeps the connection, unread, and stalls the container.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for part in (self._response, self._wrapper, self._socket):
            with contextlib.suppress(OSError, ValueError):
                part.close()
