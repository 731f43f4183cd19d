"""What every route needs."""

from __future__ import annotations

from typing import cast

from flask import current_app, g, request
from sqlalchemy.orm import Session

from .. import logs
from ..audit import act
from ..errors import NotFound
from ..lifecycle.lookup import Snapshot, find, snapshots
from ..lifecycle.quota import Room
from ..models import Dockbox
from ..services import Services


def services() -> Services:
    """The parts of this process."""
    return cast(Services, current_app.extensions["dockbox"])


def lookup(key: str, room: Room | None = None) -> Dockbox:
    """The caller's dockbox with this id or name; raises ``NotFound``, for others' too.

    Raises ``QuotaExceeded`` if the caller would find no ``room`` in its terminal.
    """

    def look(session: Session, box: Dockbox) -> None:
        if room and g.identity.sees(box):
            room.look(session, box, g.identity.token)

    box = find(key, look)
    if box is None or not g.identity.sees(box):
        raise NotFound()
    logs.note(dockbox=box.id)
    return box


def audit(event: str, dockbox: str | None, **more: object) -> None:
    """Note in the log what this request did."""
    act(event, dockbox, g.identity, request.remote_addr, **more)


def resource(id: str) -> Snapshot:
    """The dockbox as the API shows it; raises ``NotFound``."""
    found = snapshots([id]).get(id)
    if found is None:
        raise NotFound()
    return {name: value for name, value in found.items() if name != "progress"}
