"""Whose token let each client in, and its end when that token's has come."""

from __future__ import annotations

import logging

import gevent

from .. import tokens
from ..errors import DatabaseUnavailable
from ..terminal.client import Client
from ..terminal.websocket import NOT_ALLOWED

log = logging.getLogger(__name__)
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
        self._tokens.pop(client, None)

    def watch(self) -> None:
        """Close, for ever, those whose token is revoked or expired; all stay without a database."""
        while True:
            gevent.sleep(LOOK)
            if not self._tokens:
                continue
            try:
                over = tokens.invalid(self._tokens.values())
            except DatabaseUnavailable:
                continue
            for client, token in list(self._tokens.items()):
                if token in over:
                    client.close(NOT_ALLOWED, OVER)
