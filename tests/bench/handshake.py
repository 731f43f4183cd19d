"""A connection that is being made."""

from __future__ import annotations

import socket

from .client import BINARY, GOODBYE, HEAD_END, TIMEOUT, Address, Broken, connection, masked, request


class Handshake:
    """A connection that is being made, blocking or by a selector."""

    def __init__(self, address: Address) -> None:
        self._address, self._opening = address, address.opening
        self.sock: socket.socket = connection(address)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(address.server)
        self.sock.sendall(request(address))
        self._got = self.frames = b""  # what came, and what of it follows the handshake

    def done(self, output: bool) -> bool:
        """Read; whether the upgrade, and with ``output`` some output, is there."""
        got = self.sock.recv(65536)
        if not got:
            raise Broken("the server ended a connection")
        self._got += got
        head, end, self.frames = self._got.partition(HEAD_END)
        if end and not head.startswith(b"HTTP/1.1 101"):
            raise Broken(f"no WebSocket: {head[:300].decode(errors='replace')}")
        if end and self._opening:
            self.sock.sendall(masked(BINARY, self._opening.encode()))
            self._opening = ""
        if self._address.opening:  # dockerd's answer, behind the relay's
            _, end, self.frames = self.frames.partition(HEAD_END)
        wanted = b'"stdout"' if self._address.wrapped else b""
        return bool(end) and (not output or (wanted in self.frames and bool(self.frames)))

    def close(self) -> None:
        self.sock.sendall(GOODBYE)
        self.sock.close()
