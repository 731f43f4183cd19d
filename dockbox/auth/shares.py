"""Shares: whoever has one's secret is let in at one dockbox's terminal, to view or to type.

The secret is ``dbs_<id>_<secret>``, made and kept as that of a token is.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from hmac import compare_digest
from typing import Any

from sqlalchemy import delete, func, select

from ..database import clock, transaction
from ..errors import Conflict, NotFound, Unauthorized
from ..models import Share, Token
from . import tokens
from .identity import Identity
from .tokens import hashed

PREFIX = "dbs_"
SHARE = re.compile(PREFIX + r"([0-9a-f]{12})_([\w-]{43})")
KINDS = ("view", "type")
MOST = 100  # of one dockbox
# not expired, and the token that made it is valid
VALID = (
    Share.expires_at > clock(),
    Share.token_id.is_(None)
    | select(Token.id).where(Token.id == Share.token_id, *tokens.VALID).exists(),
)


def create(identity: Identity, dockbox: str, kind: str, lifetime: int) -> tuple[Share, str]:
    """A new share that is good for ``lifetime`` seconds, and its secret, which is not kept.

    Raises ``Conflict`` when there are too many.
    """
    secret = secrets.token_urlsafe(32)
    share = Share(
        id=secrets.token_hex(6), dockbox_id=dockbox, token_id=identity.token, kind=kind,
        hash=hashed(secret), expires_at=clock() + lifetime,
    )  # fmt: skip
    with transaction() as session:
        session.execute(delete(Share).where(Share.expires_at <= clock()))
        others = select(func.count()).where(Share.dockbox_id == dockbox)
        if (session.scalar(others) or 0) >= MOST:
            raise Conflict(f"A dockbox has at most {MOST} shares.")
        session.add(share)
        session.flush()
        session.refresh(share)
    return share, f"{PREFIX}{share.id}_{secret}"


def of(dockbox: str) -> list[Share]:
    """The shares of a dockbox that are good, newest first."""
    with transaction(reads=True) as session:
        mine = select(Share).where(Share.dockbox_id == dockbox, *VALID)
        return list(session.scalars(mine.order_by(Share.created_at.desc(), Share.id)))


def revoke(dockbox: str, id: str) -> None:
    """End a share; the terminals of who came with it are closed.  Raises ``NotFound``."""
    with transaction() as session:
        mine = delete(Share).where(Share.dockbox_id == dockbox, Share.id == id)
        if session.execute(mine.returning(Share.id)).first() is None:
            raise NotFound("There is no such share.")


def verify(text: str) -> Identity:
    """Who has this secret.  Raises ``Unauthorized``."""
    match = SHARE.fullmatch(text)
    if not match:
        raise Unauthorized()
    with transaction(reads=True) as session:
        share = session.scalars(select(Share).where(Share.id == match[1], *VALID)).first()
    right = compare_digest(share.hash if share else hashed(""), hashed(match[2]))
    if share is None or not right:
        raise Unauthorized()
    return _identity(share)


def holder(id: str) -> Identity:
    """Who came with this share.  Raises ``Unauthorized``."""
    with transaction(reads=True) as session:
        share = session.scalars(select(Share).where(Share.id == id, *VALID)).first()
    if share is None:
        raise Unauthorized()
    return _identity(share)


def _identity(share: Share) -> Identity:
    return Identity(share=share.id, dockbox=share.dockbox_id, types=share.kind == "type")


def invalid(ids: Iterable[str]) -> set[str]:
    """Those of the shares that are revoked or expired, or whose token is."""
    asked = set(ids)
    with transaction(reads=True) as session:
        found: Any = session.scalars(select(Share.id).where(Share.id.in_(asked), *VALID))
        return asked - set(found)
