"""What a client's messages mean: raw bytes, or ttyd's protocol (``Sec-WebSocket-Protocol: tty``).

ttyd's messages are described by its source, ``src/server.h`` and ``html/src/components/terminal``
of tsl0922/ttyd: a letter, then the content.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..errors import BadRequest
from .websocket import NOT_ALLOWED, Refused

MOST_CELLS = 2000  # rows or columns; a 4K screen has about 640 of the smallest readable ones
INPUT, RESIZE, PAUSE, RESUME = b"0", b"1", b"2", b"3"
OUTPUT, TITLE, PREFERENCES = b"0", b"1", b"2"


@dataclass(frozen=True)
class Input:
    """Bytes typed."""

    data: bytes


@dataclass(frozen=True)
class Size:
    """The client's rows and columns."""

    rows: int
    cols: int


@dataclass(frozen=True)
class Flow:
    """Whether the client wants output."""

    on: bool


Action = Input | Size | Flow | None


def size(rows: Any, cols: Any) -> Size:
    """A size from the numbers of a JSON message; raises ``BadRequest`` for nonsense."""
    if type(rows) is not int or type(cols) is not int:  # a bool is an int, too
        raise BadRequest("rows and cols must be whole numbers.")
    if not (1 <= rows <= MOST_CELLS and 1 <= cols <= MOST_CELLS):
        raise BadRequest(f"rows and cols must be between 1 and {MOST_CELLS}.")
    return Size(rows, cols)


def size_of_text(rows: str | None, cols: str | None) -> Size:
    """A size from a URL's query; raises ``BadRequest`` for nonsense."""
    try:
        return size(int(rows or ""), int(cols or ""))
    except ValueError:
        raise BadRequest("rows and cols must be whole numbers.") from None


class Raw:
    """Bytes and nothing else."""

    prefix = b""

    def greeting(self, title: str) -> list[bytes]:
        return []

    def parse(self, message: bytes) -> Action:
        return Input(message)


class Tty:
    """ttyd's protocol; the first message is JSON with the token and the size."""

    prefix = OUTPUT

    def __init__(self) -> None:
        self.token: str | None = None
        self._greeted = False

    def greeting(self, title: str) -> list[bytes]:
        return [TITLE + title.encode(), PREFERENCES + b"{}"]

    def parse(self, message: bytes) -> Action:
        """Raises ``Refused`` when the first message is not what ttyd's clients send.

        Later ones that make no sense are ignored, as ttyd does.
        """
        if not self._greeted:
            return self._hello(message)
        letter, content = message[:1], message[1:]
        if letter == INPUT:
            return Input(content)
        if letter == RESIZE:
            return self._size(content)
        if letter in (PAUSE, RESUME):
            return Flow(letter == RESUME)
        return None

    def _hello(self, message: bytes) -> Action:
        try:
            fields = json.loads(message)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise Refused(NOT_ALLOWED, "The first message must be JSON.")
        self._greeted = True
        token = fields.get("AuthToken")
        self.token = token if isinstance(token, str) else None
        return self._size(message)

    @staticmethod
    def _size(content: bytes) -> Size | None:
        try:
            fields = json.loads(content)
            return size(fields["rows"], fields["columns"])
        except (ValueError, KeyError, TypeError, RecursionError, BadRequest):
            return None


def choose(subprotocol: str | None) -> Raw | Tty:
    """The protocol that the handshake agreed on."""
    return Tty() if subprotocol == "tty" else Raw()
