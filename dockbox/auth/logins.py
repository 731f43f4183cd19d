"""Log-ins: a browser that has shown a token is known by a cookie, which no script can read."""

from __future__ import annotations

import secrets

from sqlalchemy import delete, insert, select

from ..database import clock, transaction
from ..errors import Unauthorized
from ..models import Login, Token
from . import tokens
from .identity import Identity
from .tokens import hashed

COOKIE = "dockbox_session"
MOST = 100  # of one token; the oldest end


def create(identity: Identity, lifetime: int) -> str:
    """The value of a cookie that is good for ``lifetime`` seconds, and no longer than the token."""
    text = secrets.token_urlsafe(32)
    with transaction() as session:
        session.execute(delete(Login).where(Login.expires_at <= clock()))
        values = {"hash": hashed(text), "token_id": identity.token}
        session.execute(insert(Login).values(**values, expires_at=clock() + lifetime))
        newest = select(Login.hash).where(Login.token_id == identity.token)
        newest = newest.order_by(Login.expires_at.desc()).limit(MOST)
        mine = delete(Login).where(Login.token_id == identity.token)
        session.execute(mine.where(Login.hash.not_in(newest)))
    return text


def verify(text: str) -> Identity:
    """Who has logged in with this cookie.  Raises ``Unauthorized``."""
    with transaction(reads=True) as session:
        # found by its hash, so nothing secret is compared byte by byte
        row = session.execute(
            select(Token.id, Token.admin)
            .join(Login, Login.token_id == Token.id)
            .where(Login.hash == hashed(text), Login.expires_at > clock(), *tokens.VALID)
        ).first()
    if row is None:
        raise Unauthorized("You are not logged in, or no longer.")
    return Identity(row.id, row.admin)


def end(text: str) -> None:
    """Log out; fine when nobody is logged in."""
    with transaction() as session:
        session.execute(delete(Login).where(Login.hash == hashed(text)))
