"""Reading dockboxes as the API shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import Select, bindparam, func, or_, select, tuple_
from sqlalchemy.orm import Session

from ..database import transaction
from ..models import Connection, Dockbox

Snapshot = dict[str, Any]
Look = Callable[[Session, Dockbox], None]
FIND = select(Dockbox).where(  # made once: each call of the API needs it
    or_(Dockbox.id == bindparam("id"), Dockbox.custom_id == bindparam("custom_id")),
    Dockbox.deleted_at.is_(None),
)


def find(key: str, look: Look | None = None) -> Dockbox | None:
    """The dockbox with this ``id`` or ``custom_id``, unless it is being deleted.

    ``look`` is called with it in the same transaction.
    """
    if "\0" in key:  # PostgreSQL has no such text
        return None
    with transaction(reads=True) as session:
        box = session.scalars(FIND, {"id": key.lower(), "custom_id": key}).first()
        if box is not None and look:
            look(session, box)
        return box


def snapshots(ids: list[str]) -> dict[str, Snapshot]:
    """The resource of each of these dockboxes that is there, with its ``progress``."""
    return {
        box.id: {
            **box.as_dict(connections),
            "progress": json.loads(box.progress) if box.progress else None,
        }
        for box, connections in _read(_counted().where(Dockbox.id.in_(ids)))
    }


def page(
    limit: int, after: tuple[float, str] | None, state: str | None, token: str | None = None
) -> tuple[list[Snapshot], tuple[float, str] | None]:
    """Resources, newest first, and the key of the last where there are more behind it.

    Those in ``state``, and those that ``token`` made, if one is given.
    """
    query = _counted().order_by(Dockbox.created_at.desc(), Dockbox.id.desc()).limit(limit + 1)
    if after:
        query = query.where(tuple_(Dockbox.created_at, Dockbox.id) < after)
    if state:
        query = query.where(Dockbox.state == state)
    if token:
        query = query.where(Dockbox.token_id == token)
    rows = _read(query)
    items = [box.as_dict(connections) for box, connections in rows[:limit]]
    last = rows[limit - 1][0] if len(rows) > limit else None
    return items, (last.created_at, last.id) if last else None


def _counted() -> Select[Any]:
    counted = (
        select(func.count()).where(Connection.dockbox_id == Dockbox.id).correlate(Dockbox)
    ).scalar_subquery()
    return select(Dockbox, counted).where(Dockbox.deleted_at.is_(None))


def _read(query: Select[Any]) -> list[tuple[Dockbox, int]]:
    with transaction(reads=True) as session:
        return [(box, connections) for box, connections in session.execute(query)]
