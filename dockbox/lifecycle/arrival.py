"""A client's way in: counted, let into a session, shown the progress until there is one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import gevent
from sqlalchemy.exc import IntegrityError

from ..auth.identity import Identity
from ..errors import DatabaseUnavailable, DockboxError, QuotaExceeded, Stopped
from ..greenlets import Greenlets
from ..sources.names import plain
from ..terminal.client import Client
from ..terminal.protocol import Raw, Size, Tty
from ..terminal.session import Session
from ..terminal.websocket import FAILED, NORMAL, NOT_ALLOWED
from . import queue, workers
from .lookup import Snapshot, find
from .manager import ConnectionManager
from .opening import Opening
from .quota import Room
from .sizes import Sizes
from .watch import Watcher

# Which dockbox is asked for by whoever has this token or share, and who that is; raises
# ``DockboxError``.
Admit = Callable[[str], tuple[str, Identity]]
JOIN_TRIES = 5
CLEAR_LINE = b"\r\x1b[K"  # EL of ECMA-48
DELETED = "The dockbox was deleted."


@dataclass
class Visit:
    """One client's way through; ``session`` is there once it has arrived."""

    id: str
    client: Client
    protocol: Raw | Tty
    size: Size | None
    connection: str
    identity: Identity | None  # ``None`` until it has said who it is
    admit: Admit | None = None
    counted: bool = False  # whether the connection is in the database
    session: Session | None = None
    early: list[bytes] = field(default_factory=list)  # typed before the shell was there
    arrival: gevent.Greenlet | None = None

    @property
    def token(self) -> str | None:
        """The id of the token that let it in."""
        return self.identity.token if self.identity else None

    @property
    def types(self) -> bool:
        """Whether what it types, and its size, count; others only see."""
        return self.identity is None or self.identity.types


class Arrivals:
    """Lets visits in, each in a greenlet of its own."""

    def __init__(
        self, manager: ConnectionManager, opening: Opening, sizes: Sizes, watcher: Watcher,
        greenlets: Greenlets, worker: str, room: Room,
    ) -> None:  # fmt: skip
        self._manager, self._opening, self._room = manager, opening, room
        self._sizes, self._watcher = sizes, watcher
        self._greenlets, self._worker = greenlets, worker

    def begin(self, visit: Visit) -> None:
        """Never waits; ``visit.session`` is there when it is in."""
        visit.arrival = self._greenlets.spawn("arrive", self._arrive, visit, dockbox=visit.id)

    def _arrive(self, visit: Visit) -> None:
        try:
            for message in visit.protocol.greeting("dockbox"):
                visit.client.message(message)
            if not self._join(visit):
                self._await(visit)
        except DockboxError as error:
            visit.client.close(*self._why(visit.id, error))
        except Exception:
            visit.client.close(FAILED, DockboxError().message)
            raise

    @staticmethod
    def _why(id: str, error: DockboxError) -> tuple[int, str]:
        """Close code and reason for a client that could not be let in."""
        if isinstance(error, Stopped):
            return NORMAL, error.message
        if isinstance(error, QuotaExceeded):
            return NOT_ALLOWED, error.message
        with contextlib.suppress(DatabaseUnavailable):
            if find(id) is None:
                return NORMAL, DELETED
        return FAILED, error.message

    def _await(self, visit: Visit) -> None:
        """Show how far the dockbox is until it can be joined, or never can."""
        shown = False
        for box in self._watcher.follow(visit.id, 1.0):
            if visit.client.closing:
                return
            if box is None or box["state"] == "stopping":
                continue
            if box["state"] == "creating":
                visit.client.offer(_progress(box))
                shown = True
                continue
            if shown:  # the shell's first line is not behind the last step
                visit.client.offer(CLEAR_LINE)
                shown = False
            if box["state"] == "failed":
                visit.client.offer(f"{plain(str(box['error']), 1000)}\r\n".encode())
                visit.client.close_after_output(FAILED, str(box["error"]))
                return
            if self._join(visit):
                return
        visit.client.close(NORMAL, DELETED)

    def _join(self, visit: Visit) -> bool:
        """Count the connection, and join the session; false when the state forbids it."""
        for _ in range(JOIN_TRIES):
            present = self._manager.present(visit.id)
            before = self._count(visit)
            if before is None:
                return False
            if before == "stopped" and present:  # of an earlier run, and about to notice
                self._manager.ended(visit.id, present)
            try:
                open = partial(self._opening.open, visit.id, before)
                session = self._manager.session(visit.id, open)
            except DockboxError as error:
                # of an opening that began before the stop, after which this client came
                earlier = isinstance(error, Stopped) and self._wanted(visit.id)
                visit.counted = False
                queue.start_failed(visit.id, visit.connection)
                if earlier:
                    continue
                raise
            if session.join(visit.client):
                self._settle_in(visit, session)
                return True
            queue.schedule(visit.id, visit.connection)
            visit.counted = False
        raise DockboxError("The container ended again and again.")

    @staticmethod
    def _wanted(id: str) -> bool:
        """Whether nobody has stopped the dockbox since a connection made it ``running``."""
        box = find(id)
        return box is not None and box.state == "running"

    def _settle_in(self, visit: Visit, session: Session) -> None:
        visit.session = session
        for data in visit.early:
            session.type(visit.client, data)
        visit.early.clear()
        if session.cut:
            self._opening.redraw(visit.id, session)
        if visit.size and visit.size == self._sizes.of(visit.connection):
            self._sizes.fit(visit.id)
        elif visit.size:  # told after the connection was counted
            self._sizes.tell(visit.id, session.container, visit.connection, visit.size)

    def _count(self, visit: Visit) -> str | None:
        visit.counted = True
        size = visit.size
        if size:
            self._sizes.note(visit.connection, size)
        try:
            before = self._cancel(visit, size)
        except IntegrityError:  # this worker was taken for dead: say that it lives
            workers.beat(self._worker)
            before = self._cancel(visit, size)
        visit.counted = before is not None
        if before:
            self._manager.count(visit.connection, visit.token)
        return before

    def _cancel(self, visit: Visit, size: Size | None) -> str | None:
        try:
            return queue.cancel(
                visit.id, visit.connection, self._worker, size, token=visit.token, room=self._room
            )
        except QuotaExceeded:
            visit.counted = False
            raise


def _progress(box: Snapshot) -> bytes:
    step = box["progress"] or {"step": "Waiting", "percent": None, "bytes": None}
    text = f"{plain(step['step'], 1000)} …"
    if step["percent"] is not None:
        text += f" {step['percent']} %"
    if step["bytes"]:
        text += f" ({step['bytes'] / 2**20:.1f} MB)"
    return CLEAR_LINE + text.encode()
