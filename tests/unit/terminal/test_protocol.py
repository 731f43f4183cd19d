"""Raw bytes and ttyd's messages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockbox.errors import BadRequest
from dockbox.terminal.protocol import Flow, Input, Raw, Size, Tty, choose, size, size_of_text
from dockbox.terminal.websocket import Refused

HELLO = b'{"AuthToken": "secret", "columns": 80, "rows": 24}'


def greeted() -> Tty:
    tty = Tty()
    tty.parse(HELLO)
    return tty


def test_raw_is_bytes() -> None:
    assert choose(None).parse(b"\x00ab") == Input(b"\x00ab")
    assert isinstance(choose("tty"), Tty) and isinstance(choose(None), Raw)


def test_the_first_message_tells_token_and_size() -> None:
    tty = Tty()
    assert tty.parse(HELLO) == Size(24, 80) and tty.token == "secret"


@pytest.mark.parametrize(
    ("message", "action"),
    [
        (b"0ls\n", Input(b"ls\n")),
        (b"0", Input(b"")),
        (b'1{"columns": 100, "rows": 30}', Size(30, 100)),
        (b"2", Flow(False)),
        (b"3", Flow(True)),
        (b'1{"columns": 0, "rows": 30}', None),
        (b"1[]", None),
        (b"1not json", None),
        (b"9what", None),
        (b"", None),
    ],
)
def test_later_messages(message: bytes, action: Any) -> None:
    assert greeted().parse(message) == action


@pytest.mark.parametrize("message", [b"", b"0ls\n", b"[]", b"\xff", b"[" * 100_000])
def test_a_first_message_that_is_no_json_object_is_refused(message: bytes) -> None:
    with pytest.raises(Refused) as refused:
        Tty().parse(message)
    assert refused.value.args[0] == 1008


@pytest.mark.parametrize("value", [0, -1, 10**9, "24", None, True, 24.0, float("inf"), [], 10**400])
def test_nonsense_is_no_size(value: Any) -> None:
    with pytest.raises(BadRequest):
        size(value, 80)
    with pytest.raises(BadRequest):
        size(24, value)


def test_sizes_of_a_url_are_text() -> None:
    assert size_of_text("24", "80") == Size(24, 80)
    for value in ("0", "-1", "999999999", "x", "1.5", "1e3", "", None, "9" * 5000):
        with pytest.raises(BadRequest):
            size_of_text(value, "80")
        with pytest.raises(BadRequest):
            size_of_text("24", value)


@given(st.binary())
def test_any_message_is_understood_or_ignored(message: bytes) -> None:
    assert greeted().parse(message) is None or message
