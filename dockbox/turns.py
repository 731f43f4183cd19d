"""Work of which a worker does so much at a time, while the rest waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gevent.lock import BoundedSemaphore

from .config import Config
from .errors import Busy

WAITING = "Waiting for a turn"


class Turns:
    """At most ``most`` turns at a time; who waits for one longer than ``patience`` s gives up."""

    def __init__(self, most: int, patience: float) -> None:
        self._free, self._patience = BoundedSemaphore(most), patience

    @contextmanager
    def turn(self, waiting: Callable[[], None]) -> Iterator[None]:
        """One turn; ``waiting`` is called when it does not come at once.  Raises ``Busy``."""
        if not self._free.acquire(blocking=False):
            waiting()
            if not self._free.acquire(timeout=self._patience):
                raise Busy("This server had no turn for this in time. Try again later.")
        try:
            yield
        finally:
            self._free.release()


def share(config: Config, most: int) -> int:
    """A worker's part of what its server may do at a time: at least one."""
    return max(1, most // config.web_concurrency)
