"""A client of a dockbox's event stream (server-sent events)."""

from __future__ import annotations

import json
from typing import Any

import requests

from .api import Api

Event = tuple[str, dict[str, Any]]


class Events:
    """Connects at once, with what ``Api.get`` takes; ``seen`` is all that came so far."""

    def __init__(self, server: Api, key: str, timeout: float = 30, **more: Any) -> None:
        self.seen: list[Event] = []
        self.answer: requests.Response = server.get(
            f"/v1/dockbox/{key}/events", timeout, stream=True, **more
        )
        self._lines = self.answer.iter_lines(chunk_size=1)

    def next(self) -> Event | None:
        """The next event, ``None`` at the end of the stream; comments are skipped."""
        fields: dict[str, str] = {}
        for line in self._lines:
            name, _, value = line.decode().partition(":")
            if line == b"" and "data" in fields:
                self.seen.append((fields["event"], json.loads(fields["data"])))
                return self.seen[-1]
            if name:
                fields[name] = value.removeprefix(" ")
        return None

    def until(self, name: str, **wanted: object) -> dict[str, Any]:
        """The next event of this name with these fields."""
        while (event := self.next()) is not None:
            if event[0] == name and all(event[1].get(k) == v for k, v in wanted.items()):
                return event[1]
        raise AssertionError(f"the stream ended without {name} {wanted}; it had {self.seen}")

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
