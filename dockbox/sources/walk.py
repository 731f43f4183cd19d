"""A way through a tree that somebody else may be changing: no link is followed, whatever happens.

Every name is used relative to the open folder that holds it, so a part of the way that turns into
a link cannot lead out.  Two folders are open at a time, however deep the tree.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Iterator
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MOST_FOLDERS = 2**20  # names remembered at one time; folders beyond that are seen, not entered
# what a changing tree gives: gone, a link or a file by now, or closed to us
PASSED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM}
Entries = Iterator[tuple[int, os.DirEntry[str]]]


def walk(directory: Path) -> Entries:
    """Each entry below ``directory``, with the descriptor of the folder that it is in.

    The descriptor is good until the next entry is asked for.  What cannot be entered counts as
    empty; raises ``OSError`` for a broken disk.
    """
    try:
        root = os.open(directory, FOLDER)
    except OSError as error:
        if error.errno in PASSED:
            return
        raise
    tree = _Walk(root)
    try:
        yield from tree.entries()
    finally:
        tree.close()
        os.close(root)


class _Walk:
    """Depth first; ``path`` and ``waiting`` say where it is and what is left at each level."""

    def __init__(self, root: int) -> None:
        self.root, self.here = root, os.dup(root)
        self.path: list[str] = []
        self.known = [_identity(self.here)]
        self.waiting: list[list[str]] = []
        self.count = 0

    def close(self) -> None:
        os.close(self.here)

    def entries(self) -> Entries:
        self.waiting.append((yield from self._list()))
        while self.waiting:
            if not self.waiting[-1]:
                self._leave()
                continue
            self.count -= 1
            below = _enter(self.waiting[-1].pop(), self.here)
            if below is not None:
                name, handle = below
                os.close(self.here)
                self.here = handle
                self.path.append(name)
                self.known.append(_identity(handle))
                self.waiting.append((yield from self._list()))

    def _list(self) -> Generator[tuple[int, os.DirEntry[str]], None, list[str]]:
        """The entries of the folder that is open; returns the names of those that are folders."""
        folders: list[str] = []
        try:
            with os.scandir(self.here) as found:
                for entry in found:
                    yield self.here, entry
                    if self.count < MOST_FOLDERS and entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                        self.count += 1
        except OSError as error:
            if error.errno not in PASSED:
                raise
        return folders

    def _leave(self) -> None:
        """To the folder above: by ``..`` if that is where we came from, else from the root."""
        self.waiting.pop()
        self.known.pop()
        if not self.waiting:
            return
        self.path.pop()
        above = _enter("..", self.here)
        if above and _identity(above[1]) == self.known[-1]:
            self._move(above[1])
            return
        if above:
            os.close(above[1])
        self._move(os.dup(self.root))
        for depth, name in enumerate(self.path):
            below = _enter(name, self.here)
            if below is None:  # moved away, and all that was left there with it
                self.count -= sum(len(names) for names in self.waiting[depth + 1 :])
                del self.path[depth:], self.known[depth + 1 :], self.waiting[depth + 1 :]
                return
            self._move(below[1])
            self.known[depth + 1] = _identity(self.here)

    def _move(self, handle: int) -> None:
        os.close(self.here)
        self.here = handle


def _enter(name: str, parent: int) -> tuple[str, int] | None:
    try:
        return name, os.open(name, FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno in PASSED:
            return None
        raise


def _identity(handle: int) -> tuple[int, int]:
    info = os.fstat(handle)
    return info.st_dev, info.st_ino
