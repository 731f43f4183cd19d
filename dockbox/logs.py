"""The log: one line for each event, for people or for programs, whatever others put into it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def configure(form: str) -> None:
    """Write the log to standard error in the form ``text`` or ``json``."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)


def formatter(form: str) -> logging.Formatter:
    """What makes a line of a record; ``record.fields`` is a dictionary, if it is there."""
    return JsonFormatter() if form == "json" else TextFormatter(FORMAT)


def printable(text: str) -> str:
    """``text`` with everything escaped that would move a terminal's cursor or begin a line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class TextFormatter(logging.Formatter):
    """A line for people; a traceback's further lines are indented, so that none looks like one."""

    def format(self, record: logging.LogRecord) -> str:
        lines = super().format(record)
        first, *more = lines.split("\n") if record.exc_info else [lines]
        fields = getattr(record, "fields", {})
        first += "".join(f" {name}={_word(value)}" for name, value in fields.items())
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
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
