"""Who calls a server with ``AUTH=token``, and the operator who gives out the tokens."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import websocket

from .api import Api
from .run import ROOT, Run
from .server import Server
from .terminal import Terminal

HELLO = '{"AuthToken": "%s", "columns": 80, "rows": 24}'


TOKENS = """
from wsgi import app
from dockbox.auth import tokens
with app.app_context():
    for name, admin in (("ann", False), ("bob", False), ("root", True)):
        print(tokens.create(name, admin, 86400)[1])
"""


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


def make_callers(run: Run, server: Server) -> list[Caller]:
    """Two users and an admin; by one process, since many tests want them."""
    made = subprocess.run(
        [sys.executable, "-c", TOKENS], cwd=ROOT, env=run.environment(**server.settings),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [Caller(server, text) for text in made.stdout.split()]


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
