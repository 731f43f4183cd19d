"""The audit trail: who did what to which dockbox, and from where, in the log."""

from __future__ import annotations

import logging

from .auth.identity import Identity

log = logging.getLogger("dockbox.audit")


def record(event: str, dockbox: str | None, **more: object) -> None:
    """One line; what is ``None`` is left out."""
    fields = {"dockbox": dockbox, **more}
    present = {name: value for name, value in fields.items() if value is not None}
    log.info(event, extra={"fields": present})


def act(
    event: str, dockbox: str | None, identity: Identity | None, address: str | None, **more: object
) -> None:
    """What a caller did, who is ``None`` where nobody was asked."""
    who = {"token": identity.token, "share": identity.share} if identity else {}
    record(event, dockbox, **who, address=address, **more)
