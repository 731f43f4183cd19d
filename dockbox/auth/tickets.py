"""Tickets: for browsers, whose WebSockets send no header, and URLs are no place for a token."""

from __future__ import annotations

import secrets

from sqlalchemy import delete, insert

from ..database import clock, transaction
from ..errors import Unauthorized
from ..models import Ticket
from . import shares, tokens
from .identity import EVERYBODY, Identity
from .tokens import hashed

LIFE = 30.0  # seconds


def create(identity: Identity, dockbox: str) -> str:
    """A ticket that lets ``identity`` in at this dockbox's terminal, once and soon."""
    text = secrets.token_urlsafe(32)
    values = {"token_id": identity.token, "share_id": identity.share, "dockbox_id": dockbox}
    with transaction() as session:
        session.execute(delete(Ticket).where(Ticket.expires_at <= clock()))
        session.execute(
            insert(Ticket).values(hash=hashed(text), **values, expires_at=clock() + LIFE)
        )
    return text


def take(text: str) -> tuple[Identity, str]:
    """Whom the ticket lets in, and at which dockbox; it is used up.  Raises ``Unauthorized``."""
    with transaction() as session:
        mine = delete(Ticket).where(Ticket.hash == hashed(text), Ticket.expires_at > clock())
        columns = Ticket.dockbox_id, Ticket.token_id, Ticket.share_id
        ticket = session.execute(mine.returning(*columns)).first()
    if ticket is None:
        raise Unauthorized("This ticket is not valid, or no longer.")
    return _holder(ticket.token_id, ticket.share_id), ticket.dockbox_id


def _holder(token: str | None, share: str | None) -> Identity:
    if share is not None:
        return shares.holder(share)
    if token is None:
        return EVERYBODY
    admin = tokens.admin(token)
    if admin is None:
        raise Unauthorized()
    return Identity(token, admin)
