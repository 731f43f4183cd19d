"""Lines of the log: what others put into them stays inside them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from dockbox import logs
from dockbox.audit import act, record
from dockbox.auth.identity import EVERYBODY, Identity
from dockbox.logs import formatter, printable
from dockbox.refusals import MOST, Refusals

from ..support.run import ROOT

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


def test_a_line_says_what_it_is_about_while_it_is_about_that() -> None:
    logs.begin({"request": "r"})
    with logs.concerning(dockbox="1"):
        assert line("text", "x", {"path": "p"}).endswith("x request=r dockbox=1 path=p")
    logs.note(dockbox="2")
    assert json.loads(line("json", "x"))["dockbox"] == "2"
    logs.begin({})
    assert line("text", "x").endswith(": x")


CLUMSY = """
from gevent import monkey; monkey.patch_all()
import logging, warnings
from contextlib import nullcontext
import gevent
from dockbox import logs
from dockbox.greenlets import Greenlets, report_deaths
logs.configure("json", "{level}")
report_deaths()
logs.begin({{"request": "r"}})
Greenlets(nullcontext).spawn("clumsy", lambda: 1 / 0, dockbox="7").join()
gevent.spawn(lambda: 2 / 0).join()
logs.begin({{}})
warnings.warn("old")
for name in ("dockbox.x", "urllib3.connectionpool"):
    for level in ("debug", "info", "warning"):
        getattr(logging.getLogger(name), level)("%s %s", name, level)
logging.getLogger("dockbox.audit").info("kept")
"""


def clumsy(level: str) -> list[dict[str, Any]]:
    """The lines of a process with all that may be written, each of which is JSON."""
    done = subprocess.run(
        [sys.executable, "-c", CLUMSY.format(level=level)], cwd=ROOT, capture_output=True,
        text=True, check=True, timeout=60,
    )  # fmt: skip
    return [json.loads(one) for one in done.stderr.splitlines()]


def test_greenlets_that_die_and_warnings_are_lines_as_well() -> None:
    first, second, warning, *_ = clumsy("info")
    assert (first["message"], first["request"], first["dockbox"]) == (
        "greenlet clumsy died", "r", "7",
    )  # fmt: skip
    assert "ZeroDivisionError" in first["traceback"] and "2 / 0" not in first["traceback"]
    assert second["message"].endswith("died") and second["level"] == "error"
    assert "old" in warning["message"]


@pytest.mark.parametrize(
    ("level", "ours", "others"),
    [
        ("debug", {"debug", "info", "warning"}, {"info", "warning"}),
        ("error", set(), set()),
    ],
)
def test_the_level_bounds_what_is_written_but_not_the_audit_trail(
    level: str, ours: set[str], others: set[str]
) -> None:
    found = clumsy(level)
    written = {
        name: {one["level"] for one in found if one["logger"] == name}
        for name in ("dockbox.x", "urllib3.connectionpool", "dockbox.audit")
    }
    assert list(written.values()) == [ours, others, {"info"}]


def test_refusals_past_the_bound_are_counted_instead(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals()
    for _ in range(MOST + 5):
        refusals.note("unauthorized", path="/x")
    refusals.note("forbidden")
    refusals.tell()
    refusals.tell()
    refusals.note("unauthorized")
    fields = [one.fields for one in caplog.records]  # type: ignore[attr-defined]
    assert fields == [
        *[{"code": "unauthorized", "path": "/x"}] * MOST, {"code": "forbidden"},
        {"code": "unauthorized", "more": 5}, {"code": "unauthorized"},
    ]  # fmt: skip
