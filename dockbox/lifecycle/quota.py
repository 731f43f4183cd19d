"""How many dockboxes there may be."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..config import Config
from ..errors import QuotaExceeded
from ..models import Dockbox, Installation


def check(session: Session, config: Config, token: str | None) -> None:
    """Raise ``QuotaExceeded`` if ``token`` has no room for one more; without tokens, the server.

    What the transaction of ``session`` inserts after that is counted by the next one who asks.
    """
    if not config.max_dockboxes:
        return
    # the one row of its table as the lock: two who count at once would both find room
    session.execute(select(Installation.id).with_for_update())
    # counted no further than needed, and by an index
    last = select(Dockbox.id).where(Dockbox.deleted_at.is_(None))
    if config.auth == "token":
        last = last.where(Dockbox.token_id == token)
    last = last.order_by(Dockbox.created_at, Dockbox.id).offset(config.max_dockboxes - 1).limit(1)
    if session.scalar(last) is not None:
        holder = "A token" if config.auth == "token" else "This server"
        raise QuotaExceeded(f"{holder} holds at most {config.max_dockboxes} dockboxes.")
