"""Lines of the log: what others put into them stays inside them."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from dockbox.audit import act, record
from dockbox.auth.identity import EVERYBODY, Identity
from dockbox.logs import formatter, printable

EVIL = (
    "a\n2026-01-01 00:00:00,000 INFO    dockbox.audit: delete\r\x1b[2J\x9b\x07\u202e\u2028b\ud800"
)


def line(form: str, message: str, fields: dict[str, object] | None = None) -> str:
    made = logging.LogRecord("dockbox.x", logging.INFO, "f", 1, message, (), None)
    if fields:
        made.fields = fields
    return formatter(form).format(made)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_record_is_one_line_without_control_characters(form: str) -> None:
    for text in (line(form, EVIL), line(form, "x", {"path": EVIL, "n": 3})):
        assert "\\x1b[2J" in text or "\\u001b[2J" in text
        assert text.isprintable()
        text.encode()  # and any file takes it


def test_a_traceback_cannot_look_like_other_lines() -> None:
    try:
        raise ValueError(EVIL)
    except ValueError:
        info = sys.exc_info()
    made = logging.LogRecord("dockbox", logging.ERROR, "f", 1, "failed", (), info)
    first, *more = formatter("text").format(made).split("\n")
    assert first.endswith("dockbox: failed") and len(more) > 2
    assert all(one.startswith("    ") and one.isprintable() for one in more)
    assert "ValueError" in json.loads(formatter("json").format(made))["traceback"]


def test_fields_can_be_read_back() -> None:
    fields = {"dockbox": "1", "path": 'a b="c"', "none": ""}
    assert line("text", "create", fields).endswith('create dockbox=1 path="a b=\\"c\\"" none=')
    read = json.loads(line("json", "create", fields))
    assert {**fields, "message": "create", "level": "info", "logger": "dockbox.x"}.items() <= (
        read.items()
    )
    assert read["time"].endswith("Z")


def test_what_is_printable_stays_as_it_is() -> None:
    assert printable("größer 日本 \\") == "größer 日本 \\"


def test_an_act_says_who_and_from_where(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "dockbox.audit"):
        act("stop", "1", Identity("t", share="s"), "192.0.2.1", by=None)
        act("stop", "2", EVERYBODY, None)
        act("log in", None, None, "192.0.2.1")
        record("stop", "3", by="queue")
    assert [one.fields for one in caplog.records] == [  # type: ignore[attr-defined]
        {"dockbox": "1", "token": "t", "share": "s", "address": "192.0.2.1"},
        {"dockbox": "2"}, {"address": "192.0.2.1"}, {"dockbox": "3", "by": "queue"},
    ]  # fmt: skip
