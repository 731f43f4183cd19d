"""How much more a dockbox may hold: so that uploads fill no disk, even while nothing runs in it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from ..errors import Busy, FetchTimeout, NoRoom
from ..sources.base import Deadline
from ..sources.files import measure
from ..sources.hub import offload
from .way import translated

AGE = 60.0  # seconds for which a count is good, with what this worker has added to it
LONGEST = 20.0  # seconds of one count
KEPT = 1000  # counts that are kept
ENTRY = 16 * 1024  # bytes for which a file counts at least: a disk has room for a number of them


class Room:
    """Bounds what uploads add to ``/app``; other workers' are seen when the files are counted.

    What a running container writes is another's to watch.
    """

    def __init__(self, bound: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._bound, self._clock = bound, clock
        self._held: OrderedDict[str, tuple[float, int]] = OrderedDict()  # when, and bytes

    def check(self, id: str, root: Path, size: int) -> int | None:
        """Bytes that may be added at most, ``None`` for any number.

        Raises ``NoRoom`` if that is less than ``size``, and ``Busy`` if it takes too long to know.
        """
        if not self._bound:
            return None
        when, held = self._held.get(id, (0.0, 0))
        if id not in self._held or self._clock() - when > AGE:
            held = offload(lambda: _count(root), pool="browse")
            self._keep(id, self._clock(), held)
        left = self._bound - held
        if left < max(size, ENTRY):
            raise NoRoom()
        return left

    def took(self, id: str, size: int) -> None:
        """Something of ``size`` bytes was added."""
        if id in self._held:
            when, held = self._held[id]
            self._keep(id, when, held + max(size, ENTRY))

    def forget(self, id: str) -> None:
        """Something was removed: count again."""
        self._held.pop(id, None)

    def _keep(self, id: str, when: float, held: int) -> None:
        self._held[id] = when, held
        self._held.move_to_end(id)
        if len(self._held) > KEPT:
            self._held.popitem(last=False)


def _count(root: Path) -> int:
    try:
        with translated():
            size, files = measure(root, Deadline(LONGEST))
    except FetchTimeout:
        raise Busy("The dockbox has too many files to count them in time.") from None
    return max(size, files * ENTRY)
