"""API tokens and tickets, in the database as hashes only.

A token is ``dbx_<id>_<secret>``: the id finds its row, and the secret has 256 random bits.  So one
round of SHA-256 is enough; slow hashes are for what people think up (NIST SP 800-63B, 5.1.1.2
and 5.1.2.2).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from sqlalchemy import delete, insert, or_, select, update

from .database import clock, transaction
from .errors import NotFound, Unauthorized
from .models import Ticket, Token

TOKEN = re.compile(r"dbx_([0-9a-f]{12})_([\w-]{43})")
NAMED = 100  # characters of a name
TICKET_LIFE = 30.0  # seconds
USED = 60.0  # seconds between two notes of a token's last use
VALID = (Token.revoked_at.is_(None), or_(Token.expires_at.is_(None), Token.expires_at > clock()))


@dataclass(frozen=True)
class Identity:
    """Who calls: a token's id, and whether it sees all dockboxes or those it has made."""

    token: str | None
    admin: bool

    def sees(self, owner: str | None) -> bool:
        """Whether a dockbox made by ``owner`` exists for this caller."""
        return self.admin or owner == self.token


EVERYBODY = Identity(None, admin=True)  # where no token is asked for


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def create(name: str, admin: bool = False, lifetime: float | None = None) -> tuple[Token, str]:
    """A new token that is good for ``lifetime`` seconds, and its text, which is not kept."""
    secret = secrets.token_urlsafe(32)
    token = Token(id=secrets.token_hex(6), name=name[:NAMED], hash=_hash(secret), admin=admin)
    with transaction() as session:
        if lifetime is not None:
            token.expires_at = clock() + lifetime
        session.add(token)
        session.flush()
        session.refresh(token)
    return token, f"dbx_{token.id}_{secret}"


def everyone() -> list[Token]:
    """All tokens, revoked ones too, newest first."""
    with transaction(reads=True) as session:
        return list(session.scalars(select(Token).order_by(Token.created_at.desc(), Token.id)))


def revoke(id: str) -> None:
    """Make a token invalid; its terminals are closed in a moment.  Raises ``NotFound``."""
    with transaction() as session:
        change = update(Token).where(Token.id == id, Token.revoked_at.is_(None))
        if session.execute(change.values(revoked_at=clock()).returning(Token.id)).first() is None:
            raise NotFound("There is no such token, or it is revoked already.")


def verify(text: str) -> Identity:
    """Who has this token.  Raises ``Unauthorized``."""
    match = TOKEN.fullmatch(text)
    if not match:
        raise Unauthorized()
    with transaction(reads=True) as session:
        row = session.execute(
            select(Token.hash, Token.admin, Token.last_used_at < clock() - USED).where(
                Token.id == match[1], *VALID
            )
        ).first()
    # compared whether there is a row or not: the time must not tell which ids there are
    right = compare_digest(row.hash if row else _hash(""), _hash(match[2]))
    if row is None or not right:
        raise Unauthorized()
    if row[2] is not False:  # null: never used
        _note_use(match[1])
    return Identity(match[1], row.admin)


def _note_use(id: str) -> None:
    with transaction() as session:
        session.execute(update(Token).where(Token.id == id).values(last_used_at=clock()))


def invalid(ids: Iterable[str]) -> set[str]:
    """Those of the tokens that are revoked or expired."""
    asked = set(ids)
    with transaction(reads=True) as session:
        found: Any = session.scalars(select(Token.id).where(Token.id.in_(asked), *VALID))
        return asked - set(found)


# --- tickets: for browsers, whose WebSockets send no header -------------------------------


def new_ticket(identity: Identity, dockbox: str) -> str:
    """A ticket that lets ``identity`` in at this dockbox's terminal, once and soon."""
    text = secrets.token_urlsafe(32)
    with transaction() as session:
        session.execute(delete(Ticket).where(Ticket.expires_at <= clock()))
        values = {"hash": _hash(text), "dockbox_id": dockbox, "token_id": identity.token}
        session.execute(insert(Ticket).values(**values, expires_at=clock() + TICKET_LIFE))
    return text


def take_ticket(text: str) -> tuple[Identity, str]:
    """Whom the ticket lets in, and at which dockbox; it is used up.  Raises ``Unauthorized``."""
    with transaction() as session:
        mine = delete(Ticket).where(Ticket.hash == _hash(text), Ticket.expires_at > clock())
        ticket = session.execute(mine.returning(Ticket.dockbox_id, Ticket.token_id)).first()
        if ticket is None:
            raise Unauthorized("This ticket is not valid, or no longer.")
        if ticket.token_id is None:
            return EVERYBODY, ticket.dockbox_id
        token = session.execute(
            select(Token.admin).where(Token.id == ticket.token_id, *VALID)
        ).first()
    if token is None:
        raise Unauthorized()
    return Identity(ticket.token_id, token.admin), ticket.dockbox_id
