"""Work on the disk that must neither block the hub nor follow a link."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ..errors import BadSource, DockboxError, FetchFailed, StorageFailed
from .base import Deadline

T = TypeVar("T")
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}


def offload(work: Callable[[], T], deadline: Deadline | None = None) -> T:
    """Run ``work`` in gevent's thread pool where gevent patched the process, else right here.

    A killed greenlet cancels ``deadline`` and waits for the thread, so that nothing is written
    any more after this has returned.
    """
    monkey: Any = sys.modules.get("gevent.monkey")
    if monkey is None or not monkey.is_module_patched("socket"):
        return work()
    import gevent

    outcome: list[T] = []
    error: list[BaseException] = []

    def job() -> None:  # errors are handed over by hand: gevent would print them as unexpected
        try:
            outcome.append(work())
        except BaseException as caught:
            error.append(caught)

    result = gevent.get_hub().threadpool.spawn(job)
    try:
        result.get()
    except BaseException:
        if deadline:
            deadline.cancel()
        while not result.ready():
            try:
                result.wait()
            except BaseException:
                continue
        raise
    if error:
        raise error[0]
    return outcome[0]


def measure(directory: Path) -> tuple[int, int]:
    """Bytes and number of files below ``directory``; links count, but are not followed."""
    size = files = 0
    stack = [str(directory)]
    while stack:
        try:
            entries = os.scandir(stack.pop())
        except (FileNotFoundError, NotADirectoryError):
            continue  # git moves its temporary files while we look
        with entries:
            for entry in entries:
                try:
                    info = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                files += 1
                if stat.S_ISDIR(info.st_mode):
                    stack.append(entry.path)
                else:
                    size += info.st_size
    return size, files


def inside(root: Path, subdir: str | None) -> Path:
    """The folder ``subdir`` of ``root``; raises ``BadSource`` unless each part is a real folder."""
    here = root
    for part in (subdir or "").split("/"):
        if part in ("", "."):
            continue
        here = here / part
        if part == ".." or not here.is_dir() or here.is_symlink():
            raise BadSource(f"The folder {subdir!r} is not in the source.")
    return here


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def storage_error(error: OSError) -> DockboxError:
    """The error to tell for a failed system call, without its path."""
    if error.errno in FULL:
        return StorageFailed()
    return FetchFailed("The source could not be written to disk.")
