"""docker-py's attach socket made safe: no byte lost, no leak, several greenlets."""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import struct
import time
from typing import Any

import gevent
from requests import Response

# Of linux/tcp.h's tcp_info: segments on their way, and ms since the last acknowledgement.
UNANSWERED, ANSWERED = 24, 56


class HijackedStream:
    """The two-way stream behind the engine's answer to ``POST /containers/…/attach``.

    ``wrapper`` is what docker-py returns.  The inner socket is used directly; what the HTTP
    client has read beyond the answer's headers comes first.  An engine behind TCP that is gone
    without a word is noticed within three times ``interval`` seconds.
    """

    def __init__(self, wrapper: Any, response: Response, interval: float) -> None:
        self._wrapper = wrapper
        self._response = response
        inner: Any = wrapper  # over TLS docker-py gives the socket itself
        self._socket = inner._sock if isinstance(wrapper, io.RawIOBase) else inner
        self._early = self._read_early()
        self._socket.settimeout(None)
        self._interval = interval
        self._doubt: float | None = None  # since when what was sent has had no answer
        self._far = self._socket.family in (socket.AF_INET, socket.AF_INET6)
        if self._far:
            self._keep_alive()

    def _keep_alive(self) -> None:
        idle, between = max(1, round(self._interval)), max(1, round(self._interval / 3))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            (socket.TCP_KEEPIDLE, idle),
            (socket.TCP_KEEPINTVL, between),
            (socket.TCP_KEEPCNT, 3),
        ):
            self._socket.setsockopt(socket.IPPROTO_TCP, option, value)

    def _read_early(self) -> bytes:
        """What is in the HTTP client's buffer: peek, with the socket set not to wait."""
        raw: Any = self._response.raw
        buffered = getattr(getattr(raw, "_fp", None), "fp", None)
        if not isinstance(buffered, io.BufferedReader):
            return b""
        self._socket.settimeout(0)
        try:
            held = buffered.peek()  # reads once from the socket if the buffer is empty
        except ssl.SSLWantReadError:  # how TLS says that there is nothing
            return b""
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

    def check(self) -> None:
        # Keepalive waits while anything is not acknowledged, and TCP would repeat that for a
        # quarter of an hour.  TCP_USER_TIMEOUT would also end a shell that just does not read.
        if not self._far:
            return
        try:
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, ANSWERED + 4)
        except (OSError, ValueError):
            return  # closed, or about to say what is wrong
        waiting, answered = (struct.unpack_from("I", info, at)[0] for at in (UNANSWERED, ANSWERED))
        now = time.monotonic()
        if not waiting or self._doubt is None or answered / 1000 < now - self._doubt:
            self._doubt = now
        elif now - self._doubt > 2 * self._interval:
            self.close()

    def close(self) -> None:
        # Everything, or the engine keeps the connection, unread, and stalls the container.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for part in (self._response, self._wrapper, self._socket):
            with contextlib.suppress(OSError, ValueError):
                part.close()
