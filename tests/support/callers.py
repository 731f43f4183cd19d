"""Who calls a server with ``AUTH=token``, and the operator who gives out the tokens."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest
import websocket

from dockbox.auth.tokens import hashed

from .api import Api
from .internals import Rows
from .server import Server
from .terminal import Terminal

HELLO = '{"AuthToken": "%s", "columns": 80, "rows": 24}'


class Caller:
    """Whoever has the token ``text``."""

    def __init__(self, server: Api, text: str) -> None:
        self.server, self.text = server, text
        self.id = text.split("_")[1]

    @property
    def header(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.text}"}

    def call(self, method: str, path: str, **more: Any) -> Any:
        return self.server.request(method, path, headers=self.header, **more)

    def create(self, url: str) -> str:
        answer = self.call("POST", "/v1/dockbox", json={"url": url})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def connect(self, id: str) -> Terminal:
        return self.server.connect(id, headers=[f"Authorization: Bearer {self.text}"])


def make_callers(server: Server) -> list[Caller]:
    """Two users and an admin: rows, since a command that makes tokens takes a second."""
    rows, made = Rows(server.settings), []
    for name, admin in (("ann", False), ("bob", False), ("root", True)):
        id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        rows(
            "INSERT INTO tokens (id, name, hash, admin, created_at, expires_at)"
            " VALUES (:id, :name, :hash, :admin, :now, :now + 86400)",
            id=id, name=name, hash=hashed(secret), admin=admin, now=time.time(),
        )  # fmt: skip
        made.append(Caller(server, f"dbx_{id}_{secret}"))
    return made


def refusal(server: Server, id: str, query: str = "", headers: tuple[str, ...] = ()) -> int:
    """The status with which the terminal is refused before the upgrade."""
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        server.connect(id, query, headers)
    return int(refused.value.status_code)


def hello(server: Server, id: str, token: str) -> Terminal:
    """A terminal of ttyd's protocol whose first message has ``token``."""
    terminal = server.connect(id, subprotocols=["tty"])
    terminal.socket.send(HELLO % token)
    return terminal
