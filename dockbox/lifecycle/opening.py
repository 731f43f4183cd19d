"""Opening a session: a container that runs, an attached stream, a pump."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from functools import partial

import gevent
from sqlalchemy import update

from .. import metrics
from ..config import Config
from ..database import transaction
from ..errors import (
    ContainerGone,
    DatabaseUnavailable,
    DockboxError,
    NotFound,
    NotRunning,
    RuntimeFailed,
    RuntimeUnavailable,
    Stopped,
)
from ..greenlets import Greenlets
from ..models import Dockbox
from ..runtime.base import AttachStream, ContainerSpec, Runtime
from ..terminal.session import Session
from ..terminal.websocket import FAILED, NORMAL
from . import disk, queue
from .control import Control
from .images import make_container
from .lookup import find
from .manager import ConnectionManager

log = logging.getLogger(__name__)
REDRAW = 0.1  # seconds in which those who come share a redraw: each one is a process in the box
# Seconds after the end of a container: where clients of several workers notice at once, each leaves
# it to the others to say so, and by then all of them have left.
SECOND_LOOK = 2.0
WHY = 3.0  # seconds that an engine may take to say what has ended
RELOAD = 20.0  # seconds that a session waits for who comes back, as with a page's reload


class Opening:
    """Makes sessions for the manager, and sees each one to its end."""

    def __init__(
        self, config: Config, runtime: Runtime, manager: ConnectionManager,
        control: Control, greenlets: Greenlets,
    ) -> None:  # fmt: skip
        self._config, self._runtime = config, runtime
        self._manager, self._control, self._greenlets = manager, control, greenlets
        self._redrawing: set[str] = set()  # dockboxes that will be redrawn in a moment
        self._left_alone: set[str] = set()  # dockboxes whose session may be closed soon

    def open(self, id: str, before: str) -> Session:
        """A pumping session of a dockbox that was in the state ``before``.

        Raises ``NotFound``, ``DiskFull`` or what the runtime raises.
        """
        box = find(id)
        if box is None:
            raise NotFound()
        disk.check(self._config, box)
        with metrics.OPEN_SECONDS.labels(before).time():
            if box.container_id:
                with contextlib.suppress(ContainerGone):
                    return self._open(id, box.container_id, before)
            return self._open(id, self._make(box), "stopped")

    def _open(self, id: str, container: str, before: str) -> Session:
        # attached before it is started, so that not even the first prompt is missed
        stream = self._runtime.attach(container)
        try:
            session = self._session(stream, container)
            if before == "running" and self._settle_running(container, session):
                self._check_wanted(id)  # a start now could only undo a stop of this moment
            else:
                self._settle_started(id, container, session, before)
        except OSError:
            stream.close()
            raise RuntimeUnavailable() from None
        except BaseException:
            stream.close()
            raise
        self._greenlets.spawn("pump", self._pump, id, container, session, dockbox=id)
        return session

    def _settle_started(self, id: str, container: str, session: Session, before: str) -> None:
        """Start the container, and settle its session.

        Where others may have started it, its first output may be missing from the stream, which
        was asked for earlier: Docker attaches nobody while it starts a container (20.10).
        """
        printed = self._runtime.recent(container)  # in earlier runs
        mine = self._start(id, container) and before != "running"
        if mine or not self._settle_running(container, session):
            session.settle(lambda: printed, None)

    def _start(self, id: str, container: str) -> bool:
        """Start it unless someone stops it meanwhile, who must have the last word.

        Returns whether it did not run before.
        """
        self._check_wanted(id)
        started = self._runtime.start(container)
        try:
            self._check_wanted(id)
        except Stopped:
            self._control.stop_again(id, container)
            raise
        return started

    @staticmethod
    def _check_wanted(id: str) -> None:
        """Raise ``Stopped`` or ``NotFound`` unless the dockbox is to run."""
        box = find(id)
        if box is None:
            raise NotFound()
        if box.state != "running":
            raise Stopped()

    def _settle_running(self, container: str, session: Session) -> bool:
        """Settle the session of a container that runs; false when it does not, after all."""
        try:
            session.settle(
                partial(self._runtime.recent, container), partial(self._runtime.mark, container)
            )
        except (NotRunning, RuntimeFailed):  # or it has no room for one process more
            return False
        return True

    def redraw(self, id: str, session: Session) -> None:
        """Have drawn what a replay lacks that is cut; never waits."""
        if id not in self._redrawing:
            self._redrawing.add(id)
            self._greenlets.spawn("redraw", self._redraw, id, session, dockbox=id)

    def _redraw(self, id: str, session: Session) -> None:
        gevent.sleep(REDRAW)
        self._redrawing.discard(id)
        with contextlib.suppress(DockboxError):  # the session's end will say what is wrong
            self._runtime.redraw(session.container)

    def _session(self, stream: AttachStream, container: str) -> Session:
        config = self._config
        return Session(stream, container, config.scrollback_bytes, config.stall_timeout)

    def _make(self, box: Dockbox) -> str:
        """The container anew, where it is gone; the files are still there."""
        spec = ContainerSpec(box.id, box.image or "", self._config.mount_point / box.id)
        container = make_container(self._runtime, spec, lambda *_: None)
        with transaction() as session:
            there = update(Dockbox).where(Dockbox.id == box.id, Dockbox.deleted_at.is_(None))
            kept = session.execute(there.values(container_id=container).returning(Dockbox.id))
            deleted = kept.first() is None
        if deleted:  # its container vanished for that reason
            self._runtime.remove(box.id)
            raise NotFound()
        return container

    # --- the end --------------------------------------------------------------------------

    def abandon_later(self, id: str) -> None:
        """Nobody is here any more; a session would have to be read for nobody.  Never waits."""
        if id not in self._left_alone:
            self._left_alone.add(id)
            self._greenlets.spawn("abandon", self._abandon, id, dockbox=id)

    def _abandon(self, id: str) -> None:
        gevent.sleep(RELOAD)
        self._left_alone.discard(id)
        if session := self._manager.abandon(id):
            session.close(NORMAL, "")

    def _pump(self, id: str, container: str, session: Session) -> None:
        try:
            session.pump()
        except Exception:
            log.exception("the pump failed")
        self._manager.ended(id, session)
        if not session.empty:
            noticed = self._manager.connections(id, session.clients)
            session.close(*self._why(id, container, noticed))
            gevent.sleep(SECOND_LOOK)
            self._why(id, container, ())

    def _why(self, id: str, container: str, noticed: Sequence[str]) -> tuple[int, str]:
        """Close code and reason for a terminal that ended, and of which ``noticed`` know.

        Where the container has ended, this says so in the database.
        """
        box = None
        try:
            box = find(id)
            if box is None:
                return NORMAL, "The dockbox was deleted."
            if box.state != "running":
                return (FAILED, box.error) if box.error else (NORMAL, "The dockbox was stopped.")
            with gevent.Timeout(WHY, RuntimeUnavailable()):
                found = self._runtime.inspect(container)
            if found.running:
                return FAILED, "The connection to the container broke. Connect again."
            queue.container_ended(id, box.last_modified, noticed)
            return FAILED, f"The container ended with code {found.exit_code}."
        except DatabaseUnavailable:
            return FAILED, "The terminal ended."
        except ContainerGone:
            if box:
                queue.container_ended(id, box.last_modified, noticed)
            return FAILED, "The container was removed."
        except DockboxError as error:
            return FAILED, error.message
