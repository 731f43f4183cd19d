"""Files on the mount: looked at and removed without following a link, however odd they are."""

from __future__ import annotations

import errno
import itertools
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import BadSource, DockboxError, FetchFailed, StorageFailed
from .base import Deadline
from .hub import offload

__all__ = ["inside", "measure", "offload", "remove", "storage_error"]

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM,
        errno.ESTALE}  # fmt: skip
# git moves its temporary files while we look; or a container made a tree too deep for a path
GONE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def measure(directory: Path) -> tuple[int, int]:
    """Bytes and number of files below ``directory``; links count, but are not followed."""
    size = files = 0
    stack = [str(directory)]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    files += 1
                    info = _look(entry)
                    if info and stat.S_ISDIR(info.st_mode):
                        stack.append(entry.path)
                    elif info:
                        size += info.st_size
        except OSError as error:
            if error.errno not in GONE:
                raise
    return size, files


def _look(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError as error:
        if error.errno not in GONE:
            raise
        return None


def inside(root: Path, subdir: str | None) -> Path:
    """The folder ``subdir`` of ``root``; raises ``BadSource`` unless each part is a real folder."""
    here = root
    for part in (subdir or "").split("/"):
        if part in ("", "."):
            continue
        here = here / part
        try:
            real = part != ".." and stat.S_ISDIR(here.lstat().st_mode)
        except OSError:  # also a name that is too long
            real = False
        if not real:
            raise BadSource(f"The folder {subdir!r} is not in the source.")
    return here


def remove(path: Path) -> bool:
    """Remove a file or folder of any depth and with any permissions; whether it is gone.

    Goes on past what cannot be removed, such as another user's files.
    """
    try:
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return True
        root = _open(str(path), None)
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR)
    try:
        _empty(root)
    finally:
        os.close(root)
    try:
        path.rmdir()
    except OSError as error:
        return error.errno == errno.ENOENT
    return True


def _open(name: str, parent: int | None) -> int:
    """A folder's descriptor, after taking the permissions to empty it where they lack."""
    try:
        here = os.open(name, FOLDER, dir_fd=parent)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=parent)
        here = os.open(name, FOLDER, dir_fd=parent)
    with suppress(OSError):  # somebody else's, whose group may let us
        os.fchmod(here, 0o700)
    return here


def _empty(root: int) -> None:
    """Remove all that the folder ``root`` holds, as far as that works.

    Folders inside folders are first moved up to ``root``: so no depth is too deep.
    """
    names = (f"{secrets.token_hex(8)}{number}" for number in itertools.count())
    queue = ["."]
    while queue:
        name = queue.pop()
        with suppress(OSError):
            here = _open(name, root)
            try:
                queue += _drain(here, root, None if name == "." else names)
            finally:
                os.close(here)
            if name != ".":
                os.rmdir(name, dir_fd=root)


def _drain(here: int, root: int, names: Iterator[str] | None) -> list[str]:
    """Remove the files of the folder ``here``; its folders, moved to ``root`` as ``names``."""
    with os.scandir(here) as found:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    folders = []
    for entry, folder in entries:
        with suppress(OSError):
            if not folder:
                os.unlink(entry, dir_fd=here)
            elif names is None:
                folders.append(entry)
            else:
                os.close(_open(entry, here))  # moving it needs its permissions too
                name = next(names)
                os.rename(entry, name, src_dir_fd=here, dst_dir_fd=root)
                folders.append(name)
    return folders


def storage_error(error: OSError) -> DockboxError:
    """The error to tell for a failed system call, without its path."""
    if error.errno in FULL:
        return StorageFailed()
    return FetchFailed("The source could not be written to disk.")


def share(directory: Path, deadline: Deadline) -> None:
    """Let the server's group and the container's root both change everything in a tree.

    Folders pass their group on to what the container makes in them, whose shell has umask 002.
    Links are not followed.
    """
    stack = [str(directory)]
    while stack:
        folder = stack.pop()
        deadline.left()
        os.chmod(folder, 0o2775)
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    mode = entry.stat(follow_symlinks=False).st_mode & 0o777
                    os.chmod(entry.path, mode | 0o664)
