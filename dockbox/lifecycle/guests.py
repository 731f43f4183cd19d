"""What let each client in, and its end when the end of that has come."""

from __future__ import annotations

import contextlib
from typing import Protocol

from ..auth import shares, tokens
from ..auth.identity import Identity
from ..errors import DatabaseUnavailable
from ..terminal.websocket import NOT_ALLOWED

LOOK = 2.0  # seconds between looks at the tokens and shares
REVOKED = "The token was revoked, or has expired."
UNSHARED = "This is not shared with you any more."


class Guest(Protocol):
    """Whoever can be sent away."""

    def close(self, code: int, reason: str) -> None: ...


class Guests:
    """This worker's clients that came with a token or a share."""

    def __init__(self) -> None:
        self._guests: dict[Guest, Identity] = {}

    def enter(self, guest: Guest, identity: Identity | None) -> None:
        """``identity`` is ``None`` for those who are still to say who they are."""
        if identity is not None and (identity.token or identity.share):
            self._guests[guest] = identity

    def leave(self, guest: Guest) -> None:
        """The guest has left."""
        self._guests.pop(guest, None)

    def look(self) -> None:
        """Close those whose token or share is over; all stay while there is no database."""
        here = list(self._guests.items())
        for_tokens = {identity.token for _, identity in here if identity.token}
        for_shares = {identity.share for _, identity in here if identity.share}
        with contextlib.suppress(DatabaseUnavailable):
            revoked = tokens.invalid(for_tokens) if for_tokens else set()
            unshared = shares.invalid(for_shares) if for_shares else set()
            for guest, identity in here:
                if identity.token in revoked:
                    guest.close(NOT_ALLOWED, REVOKED)
                elif identity.share in unshared:
                    guest.close(NOT_ALLOWED, UNSHARED)
