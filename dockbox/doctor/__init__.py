"""``flask dockbox doctor``: is this installation what it should be?

A check is a function that takes the ``Patient`` and yields findings; add it to ``CHECKS``.  What is
said about containers was tried from inside one, with the settings that dockboxes have.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..config import Config
from ..errors import DockboxError
from . import engine, isolation, server, stores
from .finding import FAILS, OK, UNKNOWN, WARNS, Check, Finding, Patient

__all__ = ["FAILS", "OK", "UNKNOWN", "WARNS", "Finding", "examine"]
CHECKS: list[Check] = [
    server.tables,
    server.versions,
    server.callers,
    server.user,
    engine.reached,
    engine.closed,
    engine.confined,
    server.images,
    stores.images,
    stores.mount,
    stores.room,
    stores.docker_room,
    isolation.network,
    isolation.firewall,
]
# What these need is what they look for: without it they fail, and the others do not know.
MUST: dict[Check, str] = {
    server.tables: "See that it runs where DATABASE_HOST and DATABASE_PORT say, and lets"
    " DATABASE_USER in.",
    engine.reached: "See that it runs where DOCKER_SERVER_HOST says, and lets this user in.",
}


def examine(config: Config) -> Iterator[Finding]:
    """The findings of all checks, as they are made; needs the application's context.

    Raises ``BadConfig`` when IMAGES_FILE is wrong.
    """
    patient = Patient(config)
    try:
        for check in CHECKS:
            try:
                yield from check(patient)
            except DockboxError as error:
                state = FAILS if check in MUST else UNKNOWN
                yield Finding(state, f"{check.__name__}: {error.message}", MUST.get(check, ""))
    finally:
        patient.docker.close()
