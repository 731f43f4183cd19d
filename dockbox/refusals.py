"""Refused requests in the log: strangers cause them as often as they like, so they are bounded."""

from __future__ import annotations

import logging
from collections import Counter

log = logging.getLogger(__name__)
MOST, SPAN = 20, 5.0  # lines of a kind that a worker writes in so many seconds


class Refusals:
    """``kind`` is one of a few words of ours, never something that a stranger says."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def note(self, kind: str, **fields: object) -> None:
        """A line, unless there were ``MOST`` of this kind in this span already."""
        self._seen[kind] += 1
        if self._seen[kind] <= MOST:
            log.warning("refused", extra={"fields": {"code": kind, **fields}})

    def tell(self) -> None:
        """The span is over: say how many of each kind had no line."""
        seen, self._seen = self._seen, Counter()
        for kind, count in seen.items():
            if count > MOST:
                fields = {"code": kind, "more": count - MOST}
                log.warning("refused, not shown one by one", extra={"fields": fields})
