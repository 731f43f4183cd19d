"""Dockboxes that hold more than ``CONTAINER_DISK`` are stopped: no quota of a disk is needed.

Each running dockbox is looked at by one of the workers that live.  Which one, all of them work out
from what is in the database; should two think that it is theirs, one conditional UPDATE decides.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
from dataclasses import dataclass

from sqlalchemy import select, update

from ..config import Config
from ..database import clock, transaction
from ..errors import ContainerGone, DatabaseUnavailable, DiskFull, DockboxError
from ..greenlets import Greenlets
from ..models import Dockbox, Worker
from ..runtime.base import Runtime, Written
from ..sources.base import Deadline
from ..sources.hub import offload
from ..sources.usage import Usage, usage
from .control import Control
from .workers import EXPIRY

log = logging.getLogger(__name__)
TICK = 1.0  # seconds between looks at which dockboxes run
# Seconds from one look at a dockbox to the next: PAUSE, or more where that would cost too much.
# Looks may take one twentieth of the time, and CROWD for each dockbox.
PAUSE, SHARE, CROWD = 5.0, 20, 0.05
AT_ONCE, LONGEST = 4, 60.0  # looks at the same time, and the most seconds that one may take
# Files are bounded as well, since a disk has room for a number of them: mkfs.ext4 makes one inode
# for so many bytes.
FILE = 16 * 1024
GROWN = 2**20  # bytes more than when it was stopped for too many, for which it is stopped again
# A disk may take so much between two looks.  Who comes back to fill it again and again has
# reached the end at this, or at twice the bound.
RUNAWAY = 20 * 2**30


@dataclass(frozen=True)
class Box:
    """A running dockbox; ``before``: what it held when it was stopped for that, if it was."""

    id: str
    container: str
    image: str
    before: int | None


@dataclass(frozen=True)
class Held:
    """What a dockbox holds; ``weight`` is compared with the bound: bytes, or what files stand for.

    ``files`` are those below ``/app`` and in volumes.
    """

    bytes: int
    files: int

    @property
    def weight(self) -> int:
        return max(self.bytes, self.files * FILE)

    def too_much(self, bound: int) -> str:
        """Why the dockbox was stopped, short enough for a WebSocket's close."""
        held, most = f"{shown(self.bytes)}", shown(bound)
        if self.files * FILE > self.bytes:
            held, most = f"{self.files:,} files", f"{bound // FILE:,}"
        return (
            f"The dockbox held {held}; {most} are allowed. It was stopped: connect to delete some."
        )


def shown(size: int) -> str:
    """Bytes for people, in the units of the settings."""
    power = min(4, max(0, int(math.log(max(size, 1), 1024))))
    return f"{size / 1024**power:.3g} {('bytes', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"


class Disk:
    """Looks at the dockboxes that are this worker's to look at."""

    def __init__(
        self, config: Config, runtime: Runtime, control: Control, greenlets: Greenlets, worker: str
    ) -> None:
        self._bound = config.container_disk
        self._runtime, self._control = runtime, control
        self._greenlets, self._worker = greenlets, worker
        self._due: dict[str, float] = {}  # when to look again, of those that ran a moment ago
        self._looking: set[str] = set()

    def look(self) -> None:
        """Begin what is due; called every ``TICK``, never waits for a disk."""
        if not self._bound:
            return
        try:
            boxes = _mine(self._worker)
        except DatabaseUnavailable:
            return
        # who was stopped and has started again is looked at at once
        self._due = {box.id: self._due.get(box.id, 0.0) for box in boxes}
        for box in sorted(boxes, key=lambda box: self._due[box.id]):
            if len(self._looking) >= AT_ONCE or self._due[box.id] > time.monotonic():
                return
            if box.id not in self._looking:
                self._looking.add(box.id)
                self._greenlets.spawn("disk", self._look, box, dockbox=box.id)

    def _look(self, box: Box) -> None:
        began = time.monotonic()
        try:
            self._judge(box, self._held(box))
        except DockboxError as error:
            log.warning("what it holds is not known: %s", error.message)
        except OSError as error:
            log.warning("what it holds is not known: %s", error.strerror)
        finally:
            self._looking.discard(box.id)
            if box.id in self._due:
                now = time.monotonic()
                pause = max(PAUSE, SHARE * (now - began), CROWD * len(self._due))
                self._due[box.id] = now + pause

    def _held(self, box: Box) -> Held:
        mount, deadline = self._control.mount(box.id), Deadline(LONGEST)
        found = Usage()
        with contextlib.suppress(FileNotFoundError):
            found = offload(lambda: usage(mount, deadline), deadline, "usage")
        written = Written(0)
        with contextlib.suppress(ContainerGone):
            written = self._runtime.written(box.container)
        held = Held(int(found.bytes) + written.bytes, found.files)
        if (found.hidden or written.volumes) and held.weight <= self._bound:
            size, files = self._runtime.count(box.image, mount, written.volumes)
            held = Held(max(held.bytes, size + written.bytes), max(held.files, files))
        return held

    def _judge(self, box: Box, held: Held) -> None:
        if held.weight > self._bound:
            if box.before is None or held.weight > box.before + GROWN:
                self._control.stop_for(box.id, held.too_much(self._bound), held.weight)
        elif box.before is not None:
            change = update(Dockbox).where(Dockbox.id == box.id, Dockbox.state == "running")
            with transaction() as session:
                session.execute(change.values(disk_bytes=None))


def check(config: Config, box: Dockbox) -> None:
    """Raise ``DiskFull`` if ``box`` holds so much that it must not be started."""
    bound = config.container_disk
    if bound and (box.disk_bytes or 0) > bound + max(bound, RUNAWAY):
        raise DiskFull()


def _mine(worker: str) -> list[Box]:
    """The running dockboxes that are ``worker``'s to look at."""
    columns = Dockbox.id, Dockbox.container_id, Dockbox.image, Dockbox.disk_bytes
    running = select(*columns).where(Dockbox.state == "running", Dockbox.deleted_at.is_(None))
    living = select(Worker.id).where(Worker.heartbeat > clock() - EXPIRY).order_by(Worker.id)
    with transaction(reads=True) as session:
        workers = session.scalars(living).all()
        return [
            Box(id, container or "", image or "", before)
            for id, container, image, before in session.execute(running)
            if workers and workers[int(id[:8], 16) % len(workers)] == worker
        ]
