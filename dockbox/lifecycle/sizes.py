"""The size of a terminal: that of the smallest of its clients, at whichever workers they are."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent

from ..errors import DatabaseUnavailable, DockboxError, NotRunning, RuntimeFailed
from ..greenlets import Greenlets
from ..terminal.protocol import Size
from . import queue

RETRY = 1.0  # seconds between tries to write a size while the database is away
TRIES = 2.0  # seconds that a size is tried to be set, as just after a start it may not hold

Resize = Callable[[str, int, int], None]


def resize(set_size: Resize, container: str, size: Size) -> None:
    """Give a container's terminal this size, which may take a moment after its start.

    ``set_size`` is the runtime's ``resize``.  Failures are not told: the session's end will be.
    """
    end = time.monotonic() + TRIES
    while True:
        try:
            set_size(container, size.rows, size.cols)
            return
        except (NotRunning, RuntimeFailed):
            if time.monotonic() > end:
                return
        except DockboxError:
            return
        gevent.sleep(0.05)


class Sizes:
    """What the clients here have told, and the greenlets that make it so.

    Two workers may set different sizes at the same time.  Each looks again after it has set one,
    so the last to set any has seen what all have told.
    """

    def __init__(self, set_size: Resize, greenlets: Greenlets) -> None:
        self._set_size, self._greenlets = set_size, greenlets
        self._known: dict[str, Size] = {}  # of each connection here
        # by dockbox and connection, with the container: what is not in the database yet
        self._told: dict[str, dict[str, tuple[str, Size]]] = {}
        self._busy: set[str] = set()

    def tell(self, dockbox: str, container: str, connection: str, size: Size) -> None:
        """This connection has a new size.  Never waits."""
        self.note(connection, size)
        self._told.setdefault(dockbox, {})[connection] = container, size
        self._begin(dockbox)

    def fit(self, dockbox: str) -> None:
        """Connections of the dockbox have come or gone.  Never waits."""
        self._told.setdefault(dockbox, {})
        self._begin(dockbox)

    def note(self, connection: str, size: Size) -> None:
        """Remember a size that goes into the database with its connection."""
        self._known[connection] = size

    def of(self, connection: str) -> Size | None:
        return self._known.get(connection)

    def forget(self, connection: str) -> bool:
        """A connection has ended; whether it had told a size."""
        return self._known.pop(connection, None) is not None

    def _begin(self, dockbox: str) -> None:
        if dockbox not in self._busy:
            self._busy.add(dockbox)
            self._greenlets.spawn("size", self._run, dockbox, dockbox=dockbox)

    def _run(self, dockbox: str) -> None:
        applied: tuple[str, Size] | None = None
        try:
            while True:
                wanted = self._wanted(dockbox, self._told.pop(dockbox, {}))
                if wanted and wanted != applied:
                    resize(self._set_size, *wanted)
                    applied = wanted
                elif dockbox not in self._told:
                    return
        finally:
            self._busy.discard(dockbox)

    def _wanted(self, dockbox: str, told: dict[str, tuple[str, Size]]) -> tuple[str, Size] | None:
        """The container and the size that it should have."""
        try:
            if told:
                queue.tell({connection: size for connection, (_, size) in told.items()})
            return queue.smallest(dockbox)
        except DatabaseUnavailable:
            # until it is back, those who have just told one are better off than with none
            mine = [both for connection, both in told.items() if connection in self._known]
            if not mine:
                return None
            self._told[dockbox] = told | self._told.get(dockbox, {})
            gevent.sleep(RETRY)
            sizes = [size for _, size in mine]
            return mine[-1][0], Size(min(s.rows for s in sizes), min(s.cols for s in sizes))
