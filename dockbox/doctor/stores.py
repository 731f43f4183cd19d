"""What creations take: images, and room for files."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from ..errors import RuntimeFailed
from .finding import FAILS, OK, UNKNOWN, WARNS, Finding, Patient

LITTLE, NOTHING = 10.0, 1.0  # percent that are free; the first as the alert DockboxDiskFills has it
MAKE_ROOM = 'See "The disk is full" in docs/operating.md.'
FULL = (errno.ENOSPC, errno.EDQUOT)


def images(patient: Patient) -> Iterator[Finding]:
    """The engine has the images of the table, or may have them when they are needed."""
    missing = [name for name in patient.table if not patient.docker.has_image(name)]
    offered = patient.docker.can_pull(missing)
    if lost := [name for name in missing if name not in offered]:
        what = f"The engine lacks images, and cannot pull them: {', '.join(lost)}."
        todo = "Mend IMAGES_FILE, the engine's way to the registry, or the log-in there."
        yield Finding(FAILS, what, todo)
    if offered:
        what = f"The engine lacks images, and pulls them while somebody waits: {len(offered)}."
        yield Finding(WARNS, what, "Run: flask --app wsgi dockbox images pull")
    if not missing:
        yield Finding(OK, "The engine has all images of IMAGES_FILE.")
    if patient.image is None:
        what = "The engine has none of the images yet, so nothing can be tried from a container."
        yield Finding(UNKNOWN, what, "Run: flask --app wsgi dockbox images pull")


def mount(patient: Patient) -> Iterator[Finding]:
    """The server may write below MOUNT_POINT, and the engine sees what it has written."""
    point = patient.config.mount_point
    with ExitStack() as stack:
        try:
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="doctor-", dir=point))
            Path(name).chmod(0o755)
            Path(name, "token").write_text(name)
        except OSError as error:
            why = f"MOUNT_POINT, {point}, cannot be written: {error.strerror}."
            todo = MAKE_ROOM if error.errno in FULL else "Make it, for the server's user."
            yield Finding(FAILS, why, todo)
            return
        yield Finding(OK, f"MOUNT_POINT, {point}, can be written.")
        if patient.image is None:
            return
        try:
            with patient.docker.container(patient.image, Path(name)) as place:
                seen = patient.docker.run(place, "cat /app/token")
        except RuntimeFailed:  # it has no such folder, unless it makes no container at all
            with patient.docker.container(patient.image):
                seen = ""
    if seen == name:
        yield Finding(OK, "The Docker engine sees MOUNT_POINT at the same path.")
    else:
        todo = "Let the engine's host have the same file system there."
        yield Finding(FAILS, "The Docker engine does not see MOUNT_POINT at its path.", todo)


def room(patient: Patient) -> Iterator[Finding]:
    """Nothing of dockbox's works on a full disk."""
    try:
        found = os.statvfs(patient.config.mount_point)
    except OSError:  # ``mount`` says it
        return
    yield _left("MOUNT_POINT's bytes", 100 * found.f_bavail / max(1, found.f_blocks))
    if found.f_files:  # some file systems have no bound
        yield _left("MOUNT_POINT's inodes", 100 * found.f_favail / found.f_files)


def docker_room(patient: Patient) -> Iterator[Finding]:
    if patient.image is not None:
        yield _left("the bytes of Docker's disk", 100 - patient.docker.filled(patient.image))


def _left(what: str, percent: float) -> Finding:
    state = OK if percent >= LITTLE else WARNS if percent >= NOTHING else FAILS
    return Finding(state, f"{percent:.0f} % of {what} are free.", "" if state is OK else MAKE_ROOM)
