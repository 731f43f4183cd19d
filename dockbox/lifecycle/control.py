"""Stopping and deleting, by people, by the queue and for dead workers alike."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
from sqlalchemy import delete, update

from .. import metrics
from ..config import Config
from ..database import clock, transaction
from ..errors import DockboxError, NotFound, RuntimeUnavailable, StorageFailed
from ..models import Dockbox
from ..runtime.base import Runtime
from ..sources.files import remove
from ..sources.hub import offload
from . import queue
from .lookup import find
from .watch import Watcher

log = logging.getLogger(__name__)
DELETE_WAIT = 30.0  # seconds that a DELETE waits for the worker that is creating the dockbox


class Control:
    """What ends a dockbox's container, files and row; ``worker`` owns what is under way."""

    def __init__(self, config: Config, runtime: Runtime, watcher: Watcher, worker: str) -> None:
        self._config, self._runtime = config, runtime
        self._watcher, self._worker = watcher, worker
        self._under_way: Counter[str] = Counter()

    def hold(self, id: str) -> None:
        """Work on a dockbox of ours begins: what is ours and not held was left half done."""
        self._under_way[id] += 1

    def let_go(self, id: str) -> None:
        """The work has ended, well or not."""
        self._under_way[id] -= 1
        if not self._under_way[id]:
            del self._under_way[id]

    @contextmanager
    def under_way(self, id: str) -> Iterator[None]:
        """``hold`` and ``let_go``."""
        self.hold(id)
        try:
            yield
        finally:
            self.let_go(id)

    def busy(self) -> list[str]:
        """The dockboxes that this worker is working on right now."""
        return list(self._under_way)

    def mount(self, id: str) -> Path:
        """Where the dockbox's files are."""
        return self._config.mount_point / id

    # --- stop -----------------------------------------------------------------------------

    def stop(self, id: str) -> None:
        """Stop the container now; fine when it is stopped.  Returns when it is.

        Raises ``NotFound``, ``RuntimeUnavailable`` (then it runs on) or ``RuntimeFailed``.
        """
        with self.under_way(id):
            if queue.begin_stop(id, self._worker):
                self.finish_stop(id)
        self._await_stop(id)  # another's stop, or a second one of what was started meanwhile

    def stop_for(self, id: str, error: str, held: int) -> None:
        """Stop a running dockbox that holds ``held`` bytes, too many; ``error`` is told.

        Raises what ``stop`` raises.
        """
        with self.under_way(id):
            if queue.begin_stop(id, self._worker, error=error, disk_bytes=held):
                log.warning("stopping: %s", error, extra={"fields": {"dockbox": id}})
                self.finish_stop(id)

    def stop_again(self, id: str, container: str) -> None:
        """Stop a container that was started while someone stopped it, unless it is wanted again.

        Raises what ``stop`` raises, and ``ContainerGone``.
        """
        with self.under_way(id):
            self._await_stop(id)
            runs = self._runtime.inspect(container).running  # or the stop came after the start
            if runs and queue.begin_stop(id, self._worker, "stopped"):
                self.finish_stop(id)

    def _await_stop(self, id: str) -> None:
        end = time.monotonic() + self._config.stop_grace + 60
        for box in self._watcher.follow(id, 1.0):
            if box is not None and box["state"] != "stopping":
                return
            if time.monotonic() > end:
                raise RuntimeUnavailable("The container did not stop in time.")
        raise NotFound()

    def finish_stop(self, id: str) -> None:
        """Stop what is ``stopping`` and ours.  Safe to do again."""
        try:
            box = find(id)
            if box is None or (box.state, box.owner) != ("stopping", self._worker):
                return  # we slept, and others did it; by now somebody may be connected again
            if box.container_id:
                self._runtime.stop(box.container_id, self._config.stop_grace)
        except DockboxError as error:
            metrics.STOPS.labels(error.code).inc()
            queue.undo_stop(id, self._worker)
            raise
        if queue.done(id, self._worker):
            metrics.STOPS.labels("stopped").inc()
        self._watcher.nudge()

    # --- delete ---------------------------------------------------------------------------

    def delete(self, id: str) -> bool:
        """Container, files and row; whether all is gone, or left to whoever was creating it.

        Raises ``NotFound``, or ``RuntimeUnavailable`` (all stays).
        """
        with self.under_way(id):
            return self._delete(id)

    def _delete(self, id: str) -> bool:
        creating = False
        with transaction() as session:
            gone = {"deleted_at": clock(), "stops_at": None}
            there = update(Dockbox).where(Dockbox.id == id, Dockbox.deleted_at.is_(None))
            mine = session.execute(
                there.where(Dockbox.state != "creating")
                .values(**gone, owner=self._worker)
                .returning(Dockbox.id)
            ).first()
            if mine is None:
                # whoever creates it sees this, stops and clears away
                theirs = there.where(Dockbox.state == "creating").values(**gone)
                creating = session.execute(theirs.returning(Dockbox.id)).first() is not None
        self._watcher.nudge()
        if creating:
            return self._await_removal(id)
        if mine is None:
            raise NotFound()
        self.delete_claimed(id)
        return True

    def delete_claimed(self, id: str) -> None:
        """Clear away a dockbox just marked as deleted and ours; where Docker is away, all stays.

        Raises ``RuntimeUnavailable`` and ``RuntimeFailed``.
        """
        with self.under_way(id):
            try:
                self._runtime.remove(id)
            except DockboxError:
                with transaction() as session:
                    change = update(Dockbox).where(Dockbox.id == id, Dockbox.owner == self._worker)
                    back = {"deleted_at": None, "owner": None}
                    session.execute(change.values(**back, last_modified=Dockbox.last_modified))
                raise
            self.finish_delete(id)

    def finish_delete(self, id: str) -> None:
        """Clear away a dockbox marked as deleted and ours.  Safe to do again.

        The row goes last: as long as anything is left, some worker finds it there.
        """
        self._runtime.remove(id)
        self.clear_files(id)
        with transaction() as session:
            session.execute(delete(Dockbox).where(Dockbox.id == id))
        self._watcher.nudge()

    def clear_files(self, id: str) -> None:
        """Remove the dockbox's files, by a container where the server's user may not."""
        mount = self.mount(id)
        if not offload(lambda: remove(mount)):
            box = self._any(id)
            if box is not None and box.image:
                self._runtime.ensure_image(box.image, lambda *_: None)
                self._runtime.clear(box.image, mount)
            if not offload(lambda: remove(mount)):
                raise StorageFailed("The dockbox's files could not be removed.")
        offload(lambda: remove(mount.parent / f".{mount.name}.fetch"))

    def _any(self, id: str) -> Dockbox | None:
        with transaction(reads=True) as session:
            return session.get(Dockbox, id)

    def _await_removal(self, id: str) -> bool:
        end = time.monotonic() + DELETE_WAIT
        while self._any(id) is not None:
            if time.monotonic() > end:
                return False
            gevent.sleep(0.05)
        return True
