"""The deletion queue and every change of a dockbox's state, in the database.

Each function is one short transaction whose row counts decide who won.  ``stops_at`` is the
queue: a time for a running dockbox that nobody is connected to, else null.  The order inside a
transaction is always the same: the dockbox's row first, which locks it, connections after that,
so that counting them is right (PostgreSQL's READ COMMITTED takes a new snapshot for each
statement, but not for a subquery that had to wait; SQLite has one writer at a time).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    CursorResult,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.orm import Session

from ..database import clock, transaction
from ..models import WAITING, Connection, Dockbox
from ..terminal.protocol import Size
from .quota import Room

RETRY = 10.0  # seconds until a stop that failed is tried again


def rows(session: Session, statement: Update, **values: object) -> int:
    """How many rows ``statement`` has changed."""
    result = session.execute(statement, values)
    assert isinstance(result, CursorResult)
    return int(result.rowcount)


def _update(id: str, *states: str) -> Update:
    """An update of a dockbox that is there and in one of ``states``."""
    return update(Dockbox).where(
        Dockbox.id == id, Dockbox.deleted_at.is_(None), Dockbox.state.in_(states)
    )


def occupied(id: Any) -> Any:
    return exists().where(Connection.dockbox_id == id)


# --- connections --------------------------------------------------------------------------

# Every client that comes or goes needs these: they are made once, and on the tables instead of the
# classes, since a session would look for objects that they change.
_boxes, _connections = inspect(Dockbox).local_table, inspect(Connection).local_table
_this = _boxes.c.id == bindparam("box")
_running = and_(_this, _boxes.c.deleted_at.is_(None), _boxes.c.state == "running")
_take = (
    update(_boxes)
    .where(_this, _boxes.c.deleted_at.is_(None), _boxes.c.state == bindparam("before"))
    .values(state="running", stops_at=None, error=None)
)
_lock = select(_boxes.c.id).where(_this).with_for_update()
_forget = delete(_connections).where(_connections.c.id == bindparam("connection"))
_queue = (
    update(_boxes)
    .where(_running, _boxes.c.stops_at.is_(None))
    .where(~exists().where(_connections.c.dockbox_id == _boxes.c.id))
    .values(stops_at=clock() + _boxes.c.idle_timeout)
)


def cancel(
    id: str, connection: str, worker: str, size: Size | None = None,
    states: Sequence[str] = ("running", "stopped"), token: str | None = None,
    room: Room | None = None,
) -> str | None:  # fmt: skip
    """Take the dockbox out of the queue for a new connection, whose client told ``size``.

    ``token`` is the id of the one that let it in.  Returns which of ``states`` it was in; it is
    ``running`` now.  ``None``: nothing has changed.  Raises ``QuotaExceeded`` where there is no
    ``room``; nothing has changed then either.
    """
    with transaction() as session:
        for state in states:
            if rows(session, _take, box=id, before=state):
                if room:
                    room.take(session, id, token, started=state == "stopped")
                told = (size.rows, size.cols) if size else (None, None)
                session.execute(insert(_connections), {
                    "id": connection, "dockbox_id": id, "worker_id": worker, "token_id": token,
                    "rows": told[0], "cols": told[1],
                })  # fmt: skip
                return state
    return None


def schedule(id: str, connection: str) -> None:
    """Forget a connection; when it was the last, over all workers, the dockbox is queued."""
    with transaction() as session:
        session.execute(_lock, {"box": id})
        session.execute(_forget, {"connection": connection})
        queue_if_empty(session, id)


def queue_if_empty(session: Session, id: str) -> None:
    session.execute(_queue, {"box": id})


def tell(sizes: Mapping[str, Size]) -> None:
    """These connections, if they are there, have these sizes now."""
    with transaction() as session:
        for id, size in sizes.items():
            row = update(Connection).where(Connection.id == id)
            session.execute(row.values(rows=size.rows, cols=size.cols))


def smallest(id: str) -> tuple[str, Size] | None:
    """The container of a running dockbox, and the smallest rows and columns that its connections
    have told, over all workers."""
    size = func.min(Connection.rows), func.min(Connection.cols)
    with transaction(reads=True) as session:
        found = session.execute(
            select(Dockbox.container_id, *size)
            .join(Connection, Connection.dockbox_id == Dockbox.id)
            .where(Dockbox.id == id, Dockbox.state == "running", Connection.rows.is_not(None))
            .group_by(Dockbox.container_id)
        ).first()
    if found is None or found[0] is None:
        return None
    return found[0], Size(int(found[1] or 0), int(found[2] or 0))


def count(ids: Sequence[str]) -> dict[str, int]:
    """How many connections each of these dockboxes has, over all workers."""
    with transaction(reads=True) as session:
        rows = session.execute(
            select(Connection.dockbox_id, func.count())
            .where(Connection.dockbox_id.in_(ids))
            .group_by(Connection.dockbox_id)
        )
        return {str(id): int(number) for id, number in rows}


# --- stopping -----------------------------------------------------------------------------


def claim(worker: str, most: int = 20) -> list[Dockbox]:
    """Take dockboxes that are due, at most ``most``; they are ``stopping``, owned by ``worker``."""
    with transaction() as session:
        due = session.scalars(
            select(Dockbox.id)
            .where(Dockbox.stops_at <= clock(), WAITING)
            .order_by(Dockbox.stops_at)
            .limit(most)
            .with_for_update(skip_locked=True)
        ).all()
        if not due:
            return []
        claimed = session.scalars(
            update(Dockbox)
            .where(Dockbox.id.in_(due), ~occupied(Dockbox.id))
            .values(state="stopping", owner=worker, stops_at=None)
            .returning(Dockbox)
        ).all()
        # Someone is connected, so it was queued by mistake: nothing is due.
        mistaken = set(due) - {box.id for box in claimed}
        if mistaken:
            session.execute(update(Dockbox).where(Dockbox.id.in_(mistaken)).values(stops_at=None))
        return list(claimed)


def begin_stop(id: str, worker: str, state: str = "running", **why: object) -> bool:
    """Whether the dockbox, being ``state``, is now ours to stop, connections or not.

    ``why`` is its ``error`` and ``disk_bytes`` where dockbox itself wants it to stop.
    """
    with transaction() as session:
        values = {"state": "stopping", "owner": worker, "stops_at": None, **why}
        return bool(rows(session, _update(id, state).values(**values)))


def done(id: str, worker: str) -> bool:
    """The container that ``worker`` was stopping has stopped."""
    with transaction() as session:
        change = _update(id, "stopping").where(Dockbox.owner == worker)
        return bool(rows(session, change.values(state="stopped", owner=None, stops_at=None)))


def start_failed(id: str, connection: str) -> None:
    """The container could not be started for this connection; others may have started it."""
    with transaction() as session:
        session.execute(select(Dockbox.id).where(Dockbox.id == id).with_for_update())
        session.execute(delete(Connection).where(Connection.id == connection))
        change = _update(id, "running").where(~occupied(id))
        session.execute(change.values(state="stopped", stops_at=None))


def found_running(id: str, since: float) -> bool:
    """The container of a dockbox, stopped since before ``since``, was found running: queue it."""
    with transaction() as session:
        stops_at = clock() + Dockbox.idle_timeout
        values = {"state": "running", "stops_at": stops_at, "error": None}
        change = _update(id, "stopped").where(Dockbox.last_modified <= since)
        return bool(rows(session, change.values(**values)))


def undo_stop(id: str, worker: str) -> None:
    """The stop failed: the dockbox runs on and, if nobody is connected, is due again soon."""
    with transaction() as session:
        change = _update(id, "stopping").where(Dockbox.owner == worker)
        # what it held counts as stopped for no more, or it would be let run on
        again = {"state": "running", "error": None, "disk_bytes": None}
        if rows(session, change.values(**again, owner=None, stops_at=None)):
            session.execute(
                _update(id, "running").where(~occupied(id)).values(stops_at=clock() + RETRY)
            )


def release(id: str, worker: str) -> None:
    """Leave half-done work to whoever adopts it next."""
    with transaction() as session:
        session.execute(
            update(Dockbox).where(Dockbox.id == id, Dockbox.owner == worker).values(owner=None)
        )


def container_ended(id: str, since: float, noticed: Sequence[str] | None = None) -> bool:
    """The container of a dockbox that is running, unchanged since ``since``, was found ended.

    ``since`` is from before the container was looked at: who slept in between must not undo what
    others did meanwhile.  ``noticed`` are the connections that know of it already.  Others have
    perhaps not noticed yet, and must not be told that somebody stopped it; or they have just come,
    and are about to start it again.  ``None``: whoever is connected.
    """
    with transaction() as session:
        change = _update(id, "running").where(Dockbox.last_modified <= since)
        if noticed is not None:
            others = exists().where(Connection.dockbox_id == id, Connection.id.not_in(noticed))
            change = change.where(~others)
        return bool(rows(session, change.values(state="stopped", stops_at=None)))
