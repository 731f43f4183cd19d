"""The server's side: database, files, who it runs as, what it lets in."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .. import schema
from ..errors import RuntimeFailed, WrongTables
from ..lifecycle import workers
from .finding import FAILS, OK, UNKNOWN, WARNS, Finding, Patient


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


def mount(patient: Patient) -> Iterator[Finding]:
    point = patient.config.mount_point
    try:
        folder = tempfile.TemporaryDirectory(prefix="doctor-", dir=point)
    except OSError as error:
        why = f"MOUNT_POINT, {point}, cannot be written: {error.strerror}."
        yield Finding(FAILS, why, "Make it, for the server's user.")
        return
    with folder as name:
        yield Finding(OK, f"MOUNT_POINT, {point}, can be written.")
        Path(name).chmod(0o755)
        Path(name, "token").write_text(name)
        if patient.image is None:
            return
        try:
            with patient.docker.container(patient.image, Path(name)) as place:
                seen = patient.docker.run(place, "cat /app/token")
        except RuntimeFailed:  # it has no such folder
            seen = ""
    if seen == name:
        yield Finding(OK, "The Docker engine sees MOUNT_POINT at the same path.")
    else:
        todo = "Let the engine's host have the same file system there."
        yield Finding(FAILS, "The Docker engine does not see MOUNT_POINT at its path.", todo)


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
    if patient.image is None:
        what = "The engine has none of the images yet, so nothing can be tried from a container."
        yield Finding(UNKNOWN, what, f"Run: docker pull {patient.default_image}")
