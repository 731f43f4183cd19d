"""Calls of the API of files, also such as no client would make."""

from __future__ import annotations

import socket
from typing import Any

from ...support.callers import Caller

SETTINGS = {"auth": "token", "idle_timeout": 600, "web_concurrency": 1}
SECRET = b"the server's secret"


def put(ann: Caller, path: str, data: bytes = b"evil") -> Any:
    return ann.call("PUT", path, data=data)


def raw(ann: Caller, target: bytes, method: bytes = b"GET", body: bytes = b"") -> tuple[int, bytes]:
    """Status and answer for exactly these bytes as the address, which clients would tidy up."""
    with socket.create_connection(("127.0.0.1", ann.server.port), 30) as client:
        client.sendall(
            b"%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
            % (method, target, ann.text.encode(), len(body), body)
        )
        answer = b""
        while data := client.recv(65536):
            answer += data
    return int(answer.split(b" ", 2)[1]), answer
