"""API tokens, in the database as hashes only.

A token is ``dbx_<id>_<secret>``: the id finds its row, and the secret has 256 random bits.  So one
round of SHA-256 is enough; slow hashes are for what people think up (NIST SP 800-63B, 5.1.1.2
and 5.1.2.2).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from hmac import compare_digest
from typing import Any

from sqlalchemy import or_, select, update

from ..database import clock, transaction
from ..errors import NotFound, Unauthorized
from ..models import Token
from .identity import Identity

TOKEN = re.compile(r"dbx_([0-9a-f]{12})_([\w-]{43})")
NAMED = 100  # characters of a name
USED = 60.0  # seconds between two notes of a token's last use
VALID = (Token.revoked_at.is_(None), or_(Token.expires_at.is_(None), Token.expires_at > clock()))


def hashed(text: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(text.encode()).hexdigest()


def create(name: str, admin: bool = False, lifetime: float | None = None) -> tuple[Token, str]:
    """A new token that is good for ``lifetime`` seconds, and its text, which is not kept."""
    secret = secrets.token_urlsafe(32)
    token = Token(id=secrets.token_hex(6), name=name[:NAMED], hash=hashed(secret), admin=admin)
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
    right = compare_digest(row.hash if row else hashed(""), hashed(match[2]))
    if row is None or not right:
        raise Unauthorized()
    if row[2] is not False:  # null: never used
        _note_use(match[1])
    return Identity(match[1], row.admin)


def _note_use(id: str) -> None:
    with transaction() as session:
        session.execute(update(Token).where(Token.id == id).values(last_used_at=clock()))


def admin(id: str) -> bool | None:
    """Whether this token is an admin's; ``None`` when it is not valid any more."""
    with transaction(reads=True) as session:
        return session.scalar(select(Token.admin).where(Token.id == id, *VALID))


def invalid(ids: Iterable[str]) -> set[str]:
    """Those of the tokens that are revoked or expired."""
    asked = set(ids)
    with transaction(reads=True) as session:
        found: Any = session.scalars(select(Token.id).where(Token.id.in_(asked), *VALID))
        return asked - set(found)
