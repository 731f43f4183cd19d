"""The log: one line for each event, for people or for programs, whatever others put into it.

What a line is about, a request or a dockbox, stands in a context variable: each line that is
written meanwhile has it.  ``docs/logging.md`` says what the levels mean.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

ABOUT, ROUTE = "dockbox.about", "dockbox.route"  # of a request, in WSGI's environ
FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_about: ContextVar[dict[str, object] | None] = ContextVar("about", default=None)


def configure(form: str, level: str) -> None:
    """Write the log to standard error in the form ``text`` or ``json``, from ``level`` on.

    The audit trail is always written.  Libraries say nothing below ``info``: they would quote
    what they send.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(form))
    wanted = getattr(logging, level.upper())
    logging.basicConfig(level=max(wanted, logging.INFO), handlers=[handler])
    logging.getLogger("dockbox").setLevel(wanted)
    logging.getLogger("dockbox.audit").setLevel(logging.INFO)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.captureWarnings(True)


def about() -> dict[str, object]:
    """What this greenlet's lines are about, by the fields' names."""
    return _about.get() or {}


def begin(fields: dict[str, object]) -> None:
    """From here on this greenlet's lines are about something else; ``note`` adds to ``fields``."""
    _about.set(fields)


def note(**fields: object) -> None:
    """This greenlet's lines are about these, too."""
    found = _about.get()
    if found is None:
        begin(fields)
    else:
        found.update(fields)


@contextmanager
def concerning(**fields: object) -> Iterator[None]:
    """``note``, until it ends."""
    token = _about.set({**about(), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def formatter(form: str) -> logging.Formatter:
    """What makes a line of a record; ``record.fields`` is a dictionary, if it is there."""
    return JsonFormatter() if form == "json" else TextFormatter(FORMAT)


def printable(text: str) -> str:
    """``text`` with everything escaped that would move a terminal's cursor or begin a line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {**about(), **getattr(record, "fields", {})}


class TextFormatter(logging.Formatter):
    """A line for people; a traceback's further lines are indented, so that none looks like one."""

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record)
        first, *more = lines.split("\n") if record.exc_info else [lines]
        first += "".join(f" {name}={_word(value)}" for name, value in _fields(record).items())
        return "\n    ".join(map(printable, [first, *more]))


def _word(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or '"' in text else text


class JsonFormatter(logging.Formatter):
    """A JSON object in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "time": time[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
