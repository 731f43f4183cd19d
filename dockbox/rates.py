"""How often something was done lately, in the database: one count for all workers and servers."""

from __future__ import annotations

import math
import time

from limits.storage import Storage
from sqlalchemy import case, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from .database import clock, db, transaction
from .errors import DatabaseUnavailable
from .models import Rate

SCHEME = "dockbox"
SWEPT = 100  # rows at a time that are over and go


class Rates(Storage):
    """The storage that Flask-Limiter counts in.  Each span begins with the first that is counted.

    All raise ``DatabaseUnavailable``: who cannot be counted is not let through.
    """

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 - as the base class has it

    @property
    def base_exceptions(self) -> type[Exception]:
        return DatabaseUnavailable

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count ``amount`` more in the span of ``expiry`` seconds; returns the sum so far."""
        insert = sqlite.insert if db.engine.dialect.name == "sqlite" else postgresql.insert
        new = insert(Rate).values(key=key, count=amount, expires_at=clock() + expiry)
        over = Rate.expires_at <= clock()
        upsert = new.on_conflict_do_update(
            index_elements=[Rate.key],
            set_={
                "count": case((over, amount), else_=Rate.count + amount),
                "expires_at": case((over, new.excluded.expires_at), else_=Rate.expires_at),
            },
        )
        with transaction() as session:
            count = session.scalars(upsert.returning(Rate.count)).one()
        if count == amount:  # each row that comes makes room, so there are never many
            self._sweep()
        return count

    @staticmethod
    def _sweep() -> None:
        # in a transaction of its own, past what others hold: two who clear away never wait for
        # each other
        over = select(Rate.key).where(Rate.expires_at <= clock()).limit(SWEPT)
        with transaction() as session:
            keys = session.scalars(over.with_for_update(skip_locked=True)).all()
            if keys:
                session.execute(delete(Rate).where(Rate.key.in_(keys), Rate.expires_at <= clock()))

    def get(self, key: str) -> int:
        """What is counted in the present span."""
        with transaction(reads=True) as session:
            now = select(Rate.count).where(Rate.key == key, Rate.expires_at > clock())
            return session.scalar(now) or 0

    def left(self, key: str) -> int:
        """Whole seconds until the present span is over, at least 1."""
        with transaction(reads=True) as session:
            left = session.scalar(select(Rate.expires_at - clock()).where(Rate.key == key))
        return max(1, math.ceil(left or 0))

    def get_expiry(self, key: str) -> float:
        """The end of the present span by the clock of this process, as ``limits`` wants it."""
        return time.time() + self.left(key)

    def check(self) -> bool:
        """True, if the database answers."""
        self.get("")
        return True

    def reset(self) -> int:
        """Forget everything; returns how many counts that were."""
        with transaction() as session:
            return len(session.scalars(delete(Rate).returning(Rate.key)).all())

    def clear(self, key: str) -> None:
        """Forget what is counted for ``key``."""
        with transaction() as session:
            session.execute(delete(Rate).where(Rate.key == key))
