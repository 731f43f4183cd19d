"""Places that a worker has for those who hold on to it for long."""

from __future__ import annotations

from collections import Counter

from .errors import Busy, TooManyRequests


class Seats:
    """At most ``each`` for one key and ``most`` for all; 0 is no bound.

    ``full`` is told who finds no seat at a key.
    """

    def __init__(
        self, each: int, most: int, full: str = "Too many others are following this."
    ) -> None:
        self._each, self._most, self._full = each, most, full
        self._taken: Counter[str] = Counter()

    def take(self, key: str) -> None:
        """Take a seat until ``leave``.  Raises ``TooManyRequests`` or, for all keys, ``Busy``."""
        if self._most and self._taken.total() >= self._most:
            raise Busy()
        if self._each and self._taken[key] >= self._each:
            raise TooManyRequests(self._full, 10)
        self._taken[key] += 1

    def leave(self, key: str) -> None:
        """Give it up."""
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key]
