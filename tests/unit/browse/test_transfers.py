"""Clients that take or send nothing, and would hold on to a file for ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from flask import Flask

from dockbox.blueprints import files
from dockbox.errors import BadRequest, Conflict, StorageFailed

LONG = 5  # seconds that nothing here waits for


class Pieces:
    """In place of an open file."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = pieces

    def pieces(self, *_: int) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def sent(*pieces: bytes | Exception) -> Iterator[bytes]:
    file: Any = Pieces(*pieces)
    return files._sent(file, 0, 1)


def test_who_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.05)
    pieces = sent(b"one", b"two")
    assert next(pieces) == b"one"
    with pytest.raises(ConnectionResetError):
        gevent.sleep(LONG)  # as gunicorn does while it sends
    pieces.close()  # type: ignore[attr-defined]


def test_who_was_sent_all_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.05)
    assert list(sent(b"one", b"two")) == [b"one", b"two"]
    gevent.sleep(0.2)


@pytest.mark.parametrize("error", [Conflict(), StorageFailed()])
def test_a_file_that_cannot_be_read_to_its_end_cuts_the_connection(error: Exception) -> None:
    pieces = sent(b"one", error)
    assert next(pieces) == b"one"
    with pytest.raises(ConnectionResetError):
        next(pieces)


def test_who_sends_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.05)

    class Silent:
        def read(self, _: int | None = None) -> bytes:
            gevent.sleep(LONG)
            return b""

        def close(self) -> None:
            """Werkzeug closes what it was given."""

    app = Flask(__name__)
    environ = {"CONTENT_LENGTH": "10", "wsgi.input": Silent(), "wsgi.input_terminated": True}
    with (
        app.test_request_context(method="PUT", environ_overrides=environ),
        pytest.raises(BadRequest, match="slowly"),
    ):
        list(files._body())
