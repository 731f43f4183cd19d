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
from .walk import FOLDER, PASSED, walk

__all__ = ["inside", "measure", "offload", "remove", "share", "storage_error"]

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM,
        errno.ESTALE}  # fmt: skip
GONE = {errno.ENOENT, errno.ENOTDIR}
KEPT_LINKS = 2**18  # files of several names that ``measure`` remembers; others count for each name
PASSES = 64
MOST_REMEMBERED = 2**17  # folders that one pass of ``remove`` remembers


def measure(directory: Path, deadline: Deadline | None = None) -> tuple[int, int]:
    """Bytes and number of files below ``directory``, which a container may be changing.

    A sparse file counts with what it takes on the disk, one of several names once; links count,
    but are not followed, and what cannot be entered counts as empty.  Raises what
    ``deadline.left()`` raises: a tree may grow faster than it is looked at.
    """
    size = files = 0
    seen: set[tuple[int, int]] = set()
    for _, entry in walk(directory):
        if deadline:
            deadline.left()
        files += 1
        info = _look(entry)
        if info is None or stat.S_ISDIR(info.st_mode):
            continue
        if info.st_nlink > 1 and len(seen) < KEPT_LINKS:
            if (info.st_dev, info.st_ino) in seen:
                continue
            seen.add((info.st_dev, info.st_ino))
        regular = stat.S_ISREG(info.st_mode)
        size += min(info.st_size, 512 * info.st_blocks) if regular else info.st_size
    return size, files


def _look(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError as error:
        if error.errno not in PASSED:
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


def remove(path: Path | str, parent: int | None = None) -> bool:
    """Remove a file or folder of any depth and with any permissions; whether it is gone.

    ``path`` is relative to the open folder ``parent``, if one is given.  Goes on past what cannot
    be removed, such as another user's files.
    """
    try:
        info = os.stat(path, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(info.st_mode):
            os.unlink(path, dir_fd=parent)
            return True
        root = _open(str(path), parent)
    except OSError as error:
        return error.errno in GONE
    try:
        for _ in range(PASSES):  # one, unless the tree is huge or somebody adds to it
            if not _empty(root):
                break
    finally:
        os.close(root)
    try:
        os.rmdir(path, dir_fd=parent)
    except OSError as error:
        return error.errno == errno.ENOENT
    return True


def _open(name: str, parent: int | None) -> int:
    """A folder's descriptor, after taking the permissions to empty it where they lack."""
    try:
        here = os.open(name, FOLDER, dir_fd=parent)
    except PermissionError:
        change_mode(name, 0o700, parent)
        here = os.open(name, FOLDER, dir_fd=parent)
    with suppress(OSError):  # somebody else's, whose group may let us
        os.fchmod(here, 0o770)  # and ours may let a container in, whose root may not without
    return here


def change_mode(name: str, mode: int, parent: int | None) -> None:
    """chmod of the file or folder ``name`` in the open folder ``parent``, never through a link."""
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if not stat.S_ISLNK(os.fstat(handle).st_mode):
            os.chmod(f"/proc/self/fd/{handle}", mode)  # the one that is open, whatever is there now
    finally:
        os.close(handle)


def _empty(root: int) -> bool:
    """Remove all that the folder ``root`` holds, as far as that works; whether to look again.

    Folders inside folders are first moved up to ``root``: so no depth is too deep.
    """
    names = (f"{secrets.token_hex(8)}{number}" for number in itertools.count())
    queue, gone = ["."], 0
    while queue:
        name = queue.pop()
        with suppress(OSError):
            here = _open(name, root)
            try:
                folders, files = _drain(here, root, None if name == "." else names)
            finally:
                os.close(here)
            gone += files
            queue += folders[: max(0, MOST_REMEMBERED - len(queue))]  # the next pass finds others
            if name != ".":
                os.rmdir(name, dir_fd=root)
                gone += 1
    with os.scandir(root) as left:
        return gone > 0 and next(left, None) is not None


def _drain(here: int, root: int, names: Iterator[str] | None) -> tuple[list[str], int]:
    """Remove the files of the folder ``here``; its folders, moved to ``root`` as ``names``.

    How many files were removed is the second value.
    """
    folders: list[str] = []
    files = 0
    with os.scandir(here) as found:
        for entry in found:
            with suppress(OSError):
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=here)
                    files += 1
                elif len(folders) == MOST_REMEMBERED:
                    break
                elif names is None:
                    folders.append(entry.name)
                else:
                    os.close(_open(entry.name, here))  # moving it needs its permissions too
                    name = next(names)
                    os.rename(entry.name, name, src_dir_fd=here, dst_dir_fd=root)
                    folders.append(name)
    return folders, files


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
    change_mode(str(directory), 0o2775, None)
    for folder, entry in walk(directory):
        deadline.left()
        with suppress(FileNotFoundError):
            if entry.is_dir(follow_symlinks=False):
                change_mode(entry.name, 0o2775, folder)
            elif entry.is_file(follow_symlinks=False):
                mode = entry.stat(follow_symlinks=False).st_mode & 0o777
                change_mode(entry.name, mode | 0o664, folder)
