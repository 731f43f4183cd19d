"""Where the workers of a server keep what they count: one folder a run, a set of files a slot.

prometheus_client would name the files after process ids, and keep those of each worker that ever
lived.  Here a worker has the lowest slot that is free, so whoever takes a dead one's place counts
on in its files: no counter falls, and there are never more files than workers at a time.

gunicorn's first process runs this, before gevent has patched anything: nothing here may import
prometheus_client, which imports half of the standard library.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Collection
from itertools import count
from pathlib import Path

FOLDER, SLOT = "PROMETHEUS_MULTIPROC_DIR", "DOCKBOX_METRICS_SLOT"  # in the environment
PREFIX = "dockbox-metrics-"


def begin() -> None:
    """Make this server's folder, and remove those of servers that were killed.

    It is in memory where that can be had: a disk may make who writes to a mapped file wait.
    """
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
    parent = Path(os.environ.get("RUNTIME_DIRECTORY", shared).split(":")[0])
    for left in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # of another user, or of a server that lives
            os.close(_lock(left))
            shutil.rmtree(left)
    made = Path(tempfile.mkdtemp(prefix=".dockbox-", dir=parent))
    _lock(made)  # until this process and all of its workers have ended
    folder = made.rename(parent / f"{PREFIX}{made.name.removeprefix('.dockbox-')}")
    os.environ[FOLDER] = str(folder)


def _lock(folder: Path) -> int:
    """A descriptor that holds the folder's lock.  Raises ``OSError`` where another one does.

    Anybody may write where the folder lies: a pipe by its name would be waited for.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def free(taken: Collection[int]) -> int:
    """The lowest slot that nobody has."""
    return next(slot for slot in count() if slot not in taken)


def take(slot: int) -> None:
    """This process is the worker of ``slot``."""
    os.environ[SLOT] = str(slot)


def leave(slot: int) -> None:
    """The worker of ``slot`` has ended: what it was goes, what it has counted stays.

    As ``prometheus_client.multiprocess.mark_process_dead`` does it.
    """
    for file in Path(os.environ[FOLDER]).glob(f"gauge_live*_{slot}.db"):
        file.unlink(missing_ok=True)


def end() -> None:
    """Remove this server's folder."""
    shutil.rmtree(os.environ[FOLDER], ignore_errors=True)
