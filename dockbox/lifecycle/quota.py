"""How many dockboxes there may be, how many may run, and how many clients they may have."""

from __future__ import annotations

import math

from sqlalchemy import ColumnElement, Integer, bindparam, func, select
from sqlalchemy.orm import Session

from ..config import Config
from ..database import clock
from ..errors import QuotaExceeded
from ..models import WAITING, Connection, Dockbox, Installation, Token

SOON = 10  # seconds: clients come and go
STARTED = ("running", "stopping")  # what stops runs until it has stopped

# The one row of its table as the lock: two who count at once would both find room.
LOCK = select(Installation.id).with_for_update()
# Not the lock that a row's end would need: a ticket that is made meanwhile is not held up.
_lock_token = select(Token.id).where(Token.id == bindparam("token")).with_for_update(key_share=True)
# Counted no further than needed, and by an index: is there one more behind ``most``?
_behind = bindparam("most", type_=Integer)
_in_box = select(Connection.id).where(Connection.dockbox_id == bindparam("box"))
_in_box = _in_box.offset(_behind).limit(1)
_of_token = select(Connection.id).where(Connection.token_id == bindparam("token"))
_of_token = _of_token.offset(_behind).limit(1)


def check(session: Session, config: Config, token: str | None) -> None:
    """Raise ``QuotaExceeded`` if ``token`` has no room for one more; without tokens, the server.

    What the transaction of ``session`` inserts after that is counted by the next one who asks.
    """
    if not config.max_dockboxes:
        return
    session.execute(LOCK)
    last = select(Dockbox.id).where(Dockbox.deleted_at.is_(None))
    if config.auth == "token":
        last = last.where(Dockbox.token_id == token)
    last = last.order_by(Dockbox.created_at, Dockbox.id).offset(config.max_dockboxes - 1).limit(1)
    if session.scalar(last) is not None:
        holder = "A token" if config.auth == "token" else "This server"
        raise QuotaExceeded(f"{holder} holds at most {config.max_dockboxes} dockboxes.")


class Room:
    """The bounds on what clients make run and hold open; those that are 0 cost nothing."""

    def __init__(self, config: Config) -> None:
        self._running, self._by_token = config.max_running, config.auth == "token"
        self._box, self._token = config.max_box_connections, config.max_connections

    def look(self, session: Session, box: Dockbox, token: str | None) -> None:
        """Raise ``QuotaExceeded`` if a client of ``token`` would find no room at this dockbox.

        It is no promise: what counts is ``take``, when the client has come.
        """
        self._count_clients(session, box.id, token)
        if self._running and box.state == "stopped":
            self._count_running(session, box.id)

    def take(self, session: Session, id: str, token: str | None, started: bool) -> None:
        """Raise ``QuotaExceeded`` if there is no room for a client of ``token``.

        The transaction of ``session`` has locked the dockbox's row and inserts the connection
        next; it has ``started`` the dockbox if that was stopped before.
        """
        if self._token and token:
            session.execute(_lock_token, {"token": token})
        self._count_clients(session, id, token)
        if self._running and started:
            session.execute(LOCK)
            self._count_running(session, id)

    def _count_clients(self, session: Session, id: str, token: str | None) -> None:
        if self._box and session.scalar(_in_box, {"box": id, "most": self._box - 1}):
            raise QuotaExceeded(f"A terminal has at most {self._box} clients.", SOON)
        values = {"token": token, "most": self._token - 1}
        if self._token and token and session.scalar(_of_token, values):
            raise QuotaExceeded(f"A token has at most {self._token} terminals open.", SOON)

    def _count_running(self, session: Session, id: str) -> None:
        """Raise ``QuotaExceeded`` if with this dockbox too many run, of those that count together.

        Only others are counted: whoever looks may find that this one was started meanwhile.
        """
        those: list[ColumnElement[bool]] = [Dockbox.deleted_at.is_(None), Dockbox.id != id]
        if self._by_token:
            token = session.scalar(select(Dockbox.token_id).where(Dockbox.id == id))
            those.append(Dockbox.token_id == token)
        started = select(Dockbox.id).where(*those, Dockbox.state.in_(STARTED))
        if session.scalar(started.offset(self._running - 1).limit(1)) is None:
            return
        left = session.scalar(select(func.min(Dockbox.stops_at) - clock()).where(WAITING, *those))
        holder = "A token" if self._by_token else "This server"
        sentence = f"{holder} runs at most {self._running} dockboxes at a time. Stop one first."
        raise QuotaExceeded(sentence, max(1, math.ceil(left)) if left is not None else None)
