"""A way through a tree that somebody else may be changing: no link is followed, whatever happens.

Every name is used relative to the open folder that holds it, so a part of the way that turns into
a link cannot lead out.  Two folders are open at a time, however deep the tree.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MOST_FOLDERS = 2**20  # names remembered at one time; folders beyond that are seen, not entered
# what a changing tree gives: gone, a link or a file by now, or closed to us
CLOSED = {errno.EACCES, errno.EPERM}
PASSED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP} | CLOSED
Entries = Iterator[tuple[int, os.DirEntry[str]]]


def walk(directory: Path, closed: Callable[[], None] = lambda: None) -> Entries:
    """Each entry below ``directory``, with the descriptor of the folder that it is in.

    The descriptor is good until the next entry is asked for.  What cannot be entered counts as
    empty; ``closed`` is called where that is for want of permission.  Raises ``OSError`` for a
    broken disk.
    """
    try:
        root = os.open(directory, FOLDER)
    except OSError as error:
        if error.errno in PASSED:
            if error.errno in CLOSED:
                closed()
            return
        raise
    tree = _Walk(root, closed)
    try:
        yield from tree.entries()
    finally:
        tree.close()
        os.close(root)


class _Walk:
    """Depth first; ``path`` and ``waiting`` say where it is and what is left at each level."""

    def __init__(self, root: int, closed: Callable[[], None]) -> None:
        self.root, self.here, self.closed = root, os.dup(root), closed
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
            below = self._enter(self.waiting[-1].pop())
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
            self._pass(error)
        return folders

    def _leave(self) -> None:
        """To the folder above: by ``..`` if that is where we came from, else from the root."""
        self.waiting.pop()
        self.known.pop()
        if not self.waiting:
            return
        self.path.pop()
        above = self._enter("..")
        if above and _identity(above[1]) == self.known[-1]:
            self._move(above[1])
            return
        if above:
            os.close(above[1])
        self._move(os.dup(self.root))
        for depth, name in enumerate(self.path):
            below = self._enter(name)
            if below is None:  # moved away, and all that was left there with it
                self.count -= sum(len(names) for names in self.waiting[depth + 1 :])
                del self.path[depth:], self.known[depth + 1 :], self.waiting[depth + 1 :]
                return
            self._move(below[1])
            self.known[depth + 1] = _identity(self.here)

    def _enter(self, name: str) -> tuple[str, int] | None:
        try:
            return name, os.open(name, FOLDER, dir_fd=self.here)
        except OSError as error:
            self._pass(error)
            return None

    def _pass(self, error: OSError) -> None:
        if error.errno not in PASSED:
            raise error
        if error.errno in CLOSED:
            self.closed()

    def _move(self, handle: int) -> None:
        os.close(self.here)
        self.here = handle


def _identity(handle: int) -> tuple[int, int]:
    info = os.fstat(handle)
    return info.st_dev, info.st_ino
