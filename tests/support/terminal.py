"""A client of a dockbox's terminal, over the raw protocol or ttyd's."""

from __future__ import annotations

import contextlib
import secrets
import struct
import time
from collections.abc import Sequence
from typing import Any

import websocket


class Closed(Exception):
    """The server closed the connection: ``code`` and ``reason``; 1006 if without a word."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code} {reason!r}")
        self.code, self.reason = code, reason


class _Socket(websocket.WebSocket):
    """Answers closes and pings, but does not mind when the server is gone by then.

    It may have said why before, which is read after a ping, and counts without an answer.
    """

    def send_close(self, *args: Any, **more: Any) -> None:
        with contextlib.suppress(OSError):
            super().send_close(*args, **more)

    def pong(self, *args: Any, **more: Any) -> None:
        with contextlib.suppress(OSError):
            super().pong(*args, **more)


class Terminal:
    """Connects at once.  Before the upgrade, refusals raise ``WebSocketBadStatusException``.

    What was received and not asked for yet stays in ``buffer``.
    """

    def __init__(
        self,
        url: str,
        headers: Sequence[str] = (),
        subprotocols: Sequence[str] = (),
        timeout: float = 30,
        **options: Any,
    ) -> None:
        self.buffer = b""
        self.closed: Closed | None = None
        self.socket = websocket.create_connection(
            url, timeout, _Socket, header=list(headers), subprotocols=list(subprotocols) or None,
            **options,
        )  # fmt: skip

    def send(self, data: bytes | str) -> None:
        """One frame: binary for bytes, text for a string."""
        if isinstance(data, bytes):
            self.socket.send_binary(data)
        else:
            self.socket.send(data)

    def receive(self, timeout: float) -> bytes:
        """The next message.  Raises ``Closed``, or ``TimeoutError``."""
        end = time.monotonic() + timeout
        while self.closed is None:
            self.socket.settimeout(max(end - time.monotonic(), 0.001))
            try:
                kind, data = self.socket.recv_data(control_frame=True)
            except websocket.WebSocketTimeoutException:
                raise TimeoutError(f"nothing came in {timeout:g} s") from None
            except (websocket.WebSocketConnectionClosedException, OSError) as error:
                self.closed = Closed(1006, str(error))
                break
            if kind == websocket.ABNF.OPCODE_CLOSE:
                code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else 1005
                self.closed = Closed(code, data[2:].decode())
            elif kind in (websocket.ABNF.OPCODE_BINARY, websocket.ABNF.OPCODE_TEXT):
                return bytes(data)
        self.socket.shutdown()
        raise self.closed

    def read_until(self, marker: bytes, timeout: float = 30) -> bytes:
        """All output up to ``marker`` and with it.  Raises ``Closed``, or ``TimeoutError``."""
        end, parts = time.monotonic() + timeout, [self.buffer]
        tail, total = b"", 0
        while True:
            # only the new part is searched, with the end of the old: fast for many megabytes
            window = tail + parts[-1]
            found = window.find(marker)
            if found >= 0:
                stop = total - len(tail) + found + len(marker)
                whole = b"".join(parts)
                self.buffer = whole[stop:]
                return whole[:stop]
            total += len(parts[-1])
            tail = window[-len(marker) + 1 :] if len(marker) > 1 else b""
            try:
                parts.append(self.receive(max(end - time.monotonic(), 0)))
            except (Closed, TimeoutError) as error:
                self.buffer = b"".join(parts)
                error.add_note(f"no {marker!r}; the last output: {self.buffer[-500:]!r}")
                raise

    def read_for(self, seconds: float) -> bytes:
        """All output of the next ``seconds``, fewer if the server closes."""
        end, parts = time.monotonic() + seconds, [self.buffer]
        self.buffer = b""
        while (rest := end - time.monotonic()) > 0:
            try:
                parts.append(self.receive(rest))
            except (Closed, TimeoutError):
                break
        return b"".join(parts)

    def run(self, command: str, timeout: float = 30) -> str:
        """Type ``command`` into the shell; its output.  Raises as ``read_until``."""
        token = secrets.token_hex(6)
        # What is typed comes back as an echo, in which the two marks are not whole.
        self.send(f"printf '\\n<<%s\\n' {token}; {command}; printf '%s>>\\n' {token}\r".encode())
        self.read_until(f"<<{token}\r\n".encode(), timeout)
        output = self.read_until(f"{token}>>".encode(), timeout)
        return output[: -len(token) - 2].decode(errors="replace").replace("\r\n", "\n")

    def close_code(self, timeout: float = 10) -> tuple[int, str]:
        """Wait for the server's close; what comes before stays in ``buffer``."""
        end = time.monotonic() + timeout
        while True:
            try:
                self.buffer += self.receive(max(end - time.monotonic(), 0))
            except Closed as closed:
                return closed.code, closed.reason

    def close(self) -> None:
        """Say goodbye; does not wait for an answer."""
        if self.closed is None:
            self.socket.settimeout(1)
            self.socket.close(timeout=0)
        self.socket.shutdown()

    def vanish(self) -> None:
        """Be gone without a word, as a laptop whose lid was closed."""
        self.socket.shutdown()
        self.closed = Closed(1006, "vanished")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
