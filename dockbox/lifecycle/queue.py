"""The deletion queue and every change of a dockbox's state, in the database.

Each function is one short transaction whose row counts decide who won.  ``stops_at`` is the
queue: a time for a running dockbox that nobody is connected to, else null.  The order inside a
transaction is always the same: the dockbox's row first, which locks it, connections after that,
so that counting them is right (PostgreSQL's READ COMMITTED takes a new snapshot for each
statement, but not for a subquery that had to wait; SQLite has one writer at a time).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CursorResult, Update, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from ..database import clock, transaction
from ..models import Connection, Dockbox, Worker

# A worker is dead when it has not been heard of for this long (seconds); it beats every
# HEARTBEAT, so that one beat may be lost and one may be late.
HEARTBEAT, EXPIRY = 5.0, 15.0
RETRY = 10.0  # seconds until a stop that failed is tried again


def _rows(session: Session, statement: Update) -> int:
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return int(result.rowcount)


def _update(id: str, *states: str) -> Update:
    """An update of a dockbox that is there and in one of ``states``."""
    return update(Dockbox).where(
        Dockbox.id == id, Dockbox.deleted_at.is_(None), Dockbox.state.in_(states)
    )


def _occupied(id: Any) -> Any:
    return exists().where(Connection.dockbox_id == id)


def alive() -> Any:
    """The ids of the workers that are not dead."""
    return select(Worker.id).where(Worker.heartbeat > clock() - EXPIRY)


# --- connections --------------------------------------------------------------------------


def cancel(
    id: str, connection: str, worker: str, states: Sequence[str] = ("running", "stopped")
) -> str | None:
    """Take the dockbox out of the queue for a new connection.

    Returns which of ``states`` it was in; it is ``running`` now.  ``None``: nothing has changed.
    """
    with transaction() as session:
        for state in states:
            if _rows(session, _update(id, state).values(state="running", stops_at=None)):
                session.execute(
                    insert(Connection).values(id=connection, dockbox_id=id, worker_id=worker)
                )
                return state
    return None


def schedule(id: str, connection: str) -> None:
    """Forget a connection; when it was the last, over all workers, the dockbox is queued."""
    with transaction() as session:
        session.execute(select(Dockbox.id).where(Dockbox.id == id).with_for_update())
        session.execute(delete(Connection).where(Connection.id == connection))
        _queue_if_empty(session, id)


def _queue_if_empty(session: Session, id: str) -> None:
    session.execute(
        _update(id, "running")
        .where(Dockbox.stops_at.is_(None), ~_occupied(id))
        .values(stops_at=clock() + Dockbox.idle_timeout)
    )


def count(ids: Sequence[str]) -> dict[str, int]:
    """How many connections each of these dockboxes has, over all workers."""
    with transaction() as session:
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
            .where(Dockbox.stops_at <= clock(), Dockbox.state == "running")
            .where(Dockbox.deleted_at.is_(None))
            .order_by(Dockbox.stops_at)
            .limit(most)
            .with_for_update(skip_locked=True)
        ).all()
        if not due:
            return []
        claimed = session.scalars(
            update(Dockbox)
            .where(Dockbox.id.in_(due), ~_occupied(Dockbox.id))
            .values(state="stopping", owner=worker, stops_at=None)
            .returning(Dockbox)
        ).all()
        # Someone is connected, so it was queued by mistake: nothing is due.
        mistaken = set(due) - {box.id for box in claimed}
        if mistaken:
            session.execute(update(Dockbox).where(Dockbox.id.in_(mistaken)).values(stops_at=None))
        return list(claimed)


def begin_stop(id: str, worker: str) -> bool:
    """Whether the running dockbox is now ours to stop, connections or not."""
    with transaction() as session:
        values = {"state": "stopping", "owner": worker, "stops_at": None}
        return bool(_rows(session, _update(id, "running").values(**values)))


def done(id: str, worker: str) -> bool:
    """The container that ``worker`` was stopping has stopped."""
    with transaction() as session:
        change = _update(id, "stopping").where(Dockbox.owner == worker)
        return bool(_rows(session, change.values(state="stopped", owner=None, stops_at=None)))


def start_failed(id: str, connection: str) -> None:
    """The container could not be started for this connection; others may have started it."""
    with transaction() as session:
        session.execute(select(Dockbox.id).where(Dockbox.id == id).with_for_update())
        session.execute(delete(Connection).where(Connection.id == connection))
        change = _update(id, "running").where(~_occupied(id))
        session.execute(change.values(state="stopped", stops_at=None))


def found_running(id: str) -> bool:
    """The container of a stopped dockbox was found running: it is queued."""
    with transaction() as session:
        values = {"state": "running", "stops_at": clock() + Dockbox.idle_timeout}
        return bool(_rows(session, _update(id, "stopped").values(**values)))


def undo_stop(id: str, worker: str) -> None:
    """The stop failed: the dockbox runs on and, if nobody is connected, is due again soon."""
    with transaction() as session:
        change = _update(id, "stopping").where(Dockbox.owner == worker)
        if _rows(session, change.values(state="running", owner=None, stops_at=None)):
            session.execute(
                _update(id, "running").where(~_occupied(id)).values(stops_at=clock() + RETRY)
            )


def release(id: str, worker: str) -> None:
    """Leave half-done work to whoever adopts it next."""
    with transaction() as session:
        session.execute(
            update(Dockbox).where(Dockbox.id == id, Dockbox.owner == worker).values(owner=None)
        )


def container_ended(id: str) -> bool:
    """The container of a running dockbox was found ended."""
    with transaction() as session:
        return bool(_rows(session, _update(id, "running").values(state="stopped", stops_at=None)))


# --- workers ------------------------------------------------------------------------------


def beat(worker: str) -> None:
    """Say that ``worker`` lives, perhaps again, after it was taken for dead."""
    with transaction() as session:
        there = update(Worker).where(Worker.id == worker).values(heartbeat=clock())
        if not _rows(session, there):
            session.execute(insert(Worker).values(id=worker, heartbeat=clock()))


def connections(worker: str) -> dict[str, str]:
    """The connections that the database holds for ``worker``, and the dockbox of each."""
    with transaction() as session:
        rows = session.execute(
            select(Connection.id, Connection.dockbox_id).where(Connection.worker_id == worker)
        )
        return {str(id): str(dockbox) for id, dockbox in rows}


def prune() -> int:
    """Forget dead workers and their connections; queue what nobody is connected to any more."""
    with transaction() as session:
        dead = session.scalars(
            delete(Worker).where(Worker.heartbeat <= clock() - EXPIRY).returning(Worker.id)
        ).all()
        idle = session.scalars(
            select(Dockbox.id)
            .where(Dockbox.state == "running", Dockbox.stops_at.is_(None))
            .where(Dockbox.deleted_at.is_(None), ~_occupied(Dockbox.id))
            .with_for_update(skip_locked=True)
        ).all()
        for id in idle:
            _queue_if_empty(session, id)
    return len(dead)


def retire(worker: str) -> None:
    """A worker ends in good order: its connections are given up at once, not after ``EXPIRY``."""
    with transaction() as session:
        session.execute(delete(Connection).where(Connection.worker_id == worker))
        session.execute(delete(Worker).where(Worker.id == worker))
    prune()


def adopt(worker: str, busy: Sequence[str], most: int = 20) -> list[Dockbox]:
    """Take over what was left half done: by dead workers, or by live ones that could not go on.

    That is creating, stopping and deleting; the dockboxes returned are owned by ``worker``,
    which is working on ``busy`` already.
    """
    half_done = or_(Dockbox.deleted_at.is_not(None), Dockbox.state.in_(("creating", "stopping")))
    with transaction() as session:
        left = session.scalars(
            select(Dockbox.id)
            .where(
                or_(
                    and_(Dockbox.owner.is_not(None), Dockbox.owner.not_in(alive())),
                    and_(Dockbox.owner.is_(None), half_done),
                    and_(Dockbox.owner == worker, Dockbox.id.not_in(busy)),
                )
            )
            .limit(most)
            .with_for_update(skip_locked=True)
        ).all()
        if not left:
            return []
        return list(
            session.scalars(
                update(Dockbox).where(Dockbox.id.in_(left)).values(owner=worker).returning(Dockbox)
            ).all()
        )
