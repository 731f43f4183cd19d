"""Following a dockbox's changes, whichever worker of whichever server makes them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import gevent
from gevent.event import Event

from ..errors import DatabaseUnavailable
from ..greenlets import Greenlets
from .lookup import Snapshot, snapshots

POLL = 0.4  # seconds between looks at the database, one query for all that is watched here


class Watcher:
    """Followers in this worker, served by one greenlet that runs while there are any."""

    def __init__(self, greenlets: Greenlets) -> None:
        self._greenlets = greenlets
        self._watched: Counter[str] = Counter()
        self._found: dict[str, Snapshot] = {}
        self._changed = Event()
        self._poll = Event()
        self._polling = False

    def nudge(self) -> None:
        """Something has changed in this worker: look now."""
        self._poll.set()

    def follow(self, id: str, patience: float) -> Iterator[Snapshot | None]:
        """Each new state of a dockbox, the present one first, until it is gone.

        ``None`` stands for ``patience`` seconds without a change.  Raises
        ``DatabaseUnavailable`` at the start only; later failures are waited out.
        """
        seen = snapshots([id]).get(id)
        if seen is None:
            return
        self._watched[id] += 1
        self._found.setdefault(id, seen)
        if not self._polling:
            self._polling = True
            self._greenlets.spawn("watcher", self._run)
        try:
            yield seen
            since = time.monotonic()
            while True:
                changed = self._changed
                now = self._found.get(id)
                if now is None:
                    return
                left = since + patience - time.monotonic()
                if now == seen and left > 0:
                    changed.wait(left)  # set after each look, whatever that has found
                    continue
                yield None if now == seen else now
                seen, since = now, time.monotonic()
        finally:
            self._watched[id] -= 1
            if not self._watched[id]:
                del self._watched[id]
                self._found.pop(id, None)

    def _run(self) -> None:
        try:
            while self._watched:
                self._poll.wait(POLL)
                self._poll.clear()
                began = time.monotonic()
                asked = list(self._watched)
                try:
                    found = snapshots(asked)
                except DatabaseUnavailable:
                    gevent.sleep(POLL)
                    continue
                for id in asked:
                    if id in found:
                        self._found[id] = found[id]
                    else:
                        self._found.pop(id, None)
                changed, self._changed = self._changed, Event()
                changed.set()
                gevent.sleep(min(0.05, time.monotonic() - began))  # nudges must not be a flood
        finally:
            self._polling = False
