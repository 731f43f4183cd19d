"""Whose token let each client in, and its end when that token's has come."""

from __future__ import annotations

import contextlib

from .. import tokens
from ..errors import DatabaseUnavailable
from ..terminal.client import Client
from ..terminal.websocket import NOT_ALLOWED

LOOK = 2.0  # seconds between looks at the tokens
OVER = "The token was revoked, or has expired."


class Guests:
    """This worker's clients that came with a token."""

    def __init__(self) -> None:
        self._tokens: dict[Client, str] = {}

    def enter(self, client: Client, token: str | None) -> None:
        """``token`` is the id of the client's, ``None`` where none is asked for."""
        if token is not None:
            self._tokens[client] = token

    def leave(self, client: Client) -> None:
        """The client has left."""
        self._tokens.pop(client, None)

    def look(self) -> None:
        """Close those whose token is revoked or expired; all stay while there is no database."""
        if not self._tokens:
            return
        with contextlib.suppress(DatabaseUnavailable):
            over = tokens.invalid(self._tokens.values())
            for client, token in list(self._tokens.items()):
                if token in over:
                    client.close(NOT_ALLOWED, OVER)
