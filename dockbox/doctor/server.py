"""The server's side: database, who it runs as, what it lets in."""

from __future__ import annotations

import os
from collections.abc import Iterator

from .. import schema
from ..errors import WrongTables
from ..lifecycle import workers
from .finding import FAILS, OK, WARNS, Finding, Patient


def tables(patient: Patient) -> Iterator[Finding]:
    """Raises ``DatabaseUnavailable``."""
    try:
        newer = schema.check()
    except WrongTables as error:
        yield Finding(FAILS, error.message)
        return
    if newer:
        yield Finding(WARNS, newer, "Finish the upgrade, or take it back.")
    else:
        yield Finding(OK, "The database answers, and its tables are up to date.")


def versions(patient: Patient) -> Iterator[Finding]:
    """Raises ``DatabaseUnavailable``."""
    there = workers.versions()
    said = ", ".join(f"{number} of {version}" for version, number in sorted(there.items()))
    if len(there) > 1:
        todo = "Restart the older servers with the new version."
        yield Finding(WARNS, f"Workers of several versions are at work: {said}.", todo)
    elif there:
        yield Finding(OK, f"Workers at work, by their version: {said}.")


def user(patient: Patient) -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield Finding(
            WARNS, "This runs as root.", "Run the server, and this, as a user of its own."
        )
    else:
        yield Finding(OK, "This does not run as root.")


def callers(patient: Patient) -> Iterator[Finding]:
    config = patient.config
    if config.auth != "none":
        yield Finding(OK, f"Who calls needs a {config.auth}.")
    elif config.production:
        yield Finding(WARNS, "Everybody who reaches the port may do everything.", "Set AUTH=token.")
    else:
        yield Finding(OK, "Everybody who reaches the port may do everything: AUTH=none.")


def images(patient: Patient) -> Iterator[Finding]:
    if "*" in patient.config.allowed_images:
        yield Finding(
            FAILS, "Requests may name any image.", "Set ALLOWED_IMAGES to those that you trust."
        )
    else:
        yield Finding(OK, "Requests may name only some images.")
