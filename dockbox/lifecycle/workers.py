"""Workers in the database: who lives, and what is done about what the dead have left."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from .. import __version__
from ..database import clock, transaction
from ..errors import DatabaseUnavailable
from ..models import ATTENDED, UNFINISHED, Connection, Dockbox, Worker
from .queue import occupied, queue_if_empty

# A worker is dead when it has not been heard of for this long (seconds); it beats every
# HEARTBEAT, so that one beat may be lost and one may be late.
HEARTBEAT, EXPIRY = 5.0, 15.0


def alive() -> Any:
    """The ids of the workers that are not dead."""
    return select(Worker.id).where(Worker.heartbeat > clock() - EXPIRY)


def versions() -> dict[str, int]:
    """How many workers live of each version of dockbox."""
    with transaction(reads=True) as session:
        rows = session.execute(
            select(Worker.version, func.count())
            .where(Worker.id.in_(alive()))
            .group_by(Worker.version)
        )
        return {version or "unknown": int(number) for version, number in rows}


def beat(worker: str) -> float:
    """Say that ``worker`` lives, perhaps again, after it was taken for dead; returns the time."""
    there = update(Worker).where(Worker.id == worker).values(heartbeat=clock())
    for _ in range(2):
        with transaction() as session:
            if now := session.scalar(there.returning(Worker.heartbeat)):
                return float(now)
        # another greenlet of ours may do the same right now
        with contextlib.suppress(IntegrityError), transaction() as session:
            session.execute(
                insert(Worker).values(id=worker, heartbeat=clock(), version=__version__)
            )
    raise DatabaseUnavailable


def connections(worker: str) -> dict[str, str]:
    """The connections that the database holds for ``worker``, and the dockbox of each."""
    with transaction(reads=True) as session:
        rows = session.execute(
            select(Connection.id, Connection.dockbox_id).where(Connection.worker_id == worker)
        )
        return {str(id): str(dockbox) for id, dockbox in rows}


class Steady:
    """Whether this worker may judge others by their heartbeats.

    After an outage of the database, or a sleep of its own, everybody's heartbeat is old: who comes
    first would take all others for dead.  So it needs to have beaten itself, without a gap, for
    as long as a heartbeat lasts.
    """

    def __init__(self) -> None:
        self._since = self._last = -math.inf

    def beat(self, now: float) -> bool:
        """A heartbeat of ours has been written at ``now``; whether others may be judged.

        It is the database's clock that counts: when that jumps, all heartbeats look old, too.
        """
        if not 0 <= now - self._last <= 1.5 * HEARTBEAT:
            self._since = now
        self._last = now
        return now - self._since >= EXPIRY


def forget_dead() -> list[str]:
    """Forget dead workers and their connections.

    Returns the dockboxes that have lost a connection, and with it perhaps its size.
    """
    with transaction() as session:
        dead = session.scalars(
            select(Worker.id)
            .where(Worker.heartbeat <= clock() - EXPIRY)
            .with_for_update(skip_locked=True)  # one that is beating at last
        ).all()
        if not dead:
            return []
        lost = session.scalars(
            delete(Connection)
            .where(Connection.worker_id.in_(dead))
            .returning(Connection.dockbox_id)
        ).all()
        session.execute(delete(Worker).where(Worker.id.in_(dead)))
    return sorted(set(lost))


def queue_idle(most: int = 200) -> None:
    """Queue what nobody is connected to any more, at most ``most``."""
    with transaction() as session:
        idle = session.scalars(
            select(Dockbox.id)
            .where(ATTENDED, ~occupied(Dockbox.id))
            .limit(most)
            .with_for_update(skip_locked=True)
        ).all()
        for id in idle:
            queue_if_empty(session, id)


def retire(worker: str) -> None:
    """A worker ends in good order: its connections are given up at once, not after ``EXPIRY``."""
    with transaction() as session:
        session.execute(delete(Connection).where(Connection.worker_id == worker))
        session.execute(delete(Worker).where(Worker.id == worker))
    queue_idle()


def adopt(
    worker: str, busy: Callable[[], Sequence[str]], steady: bool, most: int = 20
) -> list[Dockbox]:
    """Take over what was left half done: by dead workers, or by live ones that could not go on.

    That is creating, stopping and deleting; the dockboxes returned are owned by ``worker``,
    which is working on what ``busy`` returns already.  Unless ``steady`` the dead are left alone.
    """
    of_the_dead = and_(Dockbox.owner.is_not(None), Dockbox.owner.not_in(alive()))
    half_done = or_(Dockbox.deleted_at.is_not(None), Dockbox.state.in_(("creating", "stopping")))
    with transaction() as session:
        found = session.execute(
            select(Dockbox.id, Dockbox.owner)
            .where(
                UNFINISHED,  # follows from the rest, and says which index has all of them
                or_(
                    *((of_the_dead,) if steady else ()),
                    and_(Dockbox.owner.is_(None), half_done),
                    and_(Dockbox.owner == worker, Dockbox.id.not_in(busy())),
                ),
            )
            .limit(most)
            .with_for_update(skip_locked=True)
        ).all()
        # what we have begun since the question was asked is not left either
        held = set(busy())
        left = [id for id, owner in found if owner != worker or id not in held]
        if not left:
            return []
        return list(
            session.scalars(
                update(Dockbox).where(Dockbox.id.in_(left)).values(owner=worker).returning(Dockbox)
            ).all()
        )
