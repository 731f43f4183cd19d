"""The folder that an archive is unpacked into, with every check on the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from ..errors import SourceForbidden
from .base import Deadline, Limits

CHUNK = 256 * 1024


class Target:
    """A new folder ``root``; whatever would leave it raises ``SourceForbidden``."""

    def __init__(self, root: Path, limits: Limits, deadline: Deadline) -> None:
        self.root, self.limits, self.deadline = root, limits, deadline
        self.size = self.count = 0
        self.links: list[tuple[Path, str]] = []
        root.mkdir()

    def place(self, name: str) -> Path | None:
        """Where ``name`` goes, its parents made; ``None`` for the root itself."""
        self.deadline.left()
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or "\0" in name:
            raise SourceForbidden("The archive has a name that leads out of it.")
        path = self.root
        for part in parts[:-1]:
            path = path / part
            self.folder(path)
        return path / parts[-1] if parts else None

    def folder(self, path: Path) -> None:
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            raise SourceForbidden("The archive has a folder that is also something else.")
        if not path.exists():
            self.tally(0)
            path.mkdir()

    def tally(self, size: int) -> None:
        self.size, self.count = self.size + size, self.count + 1
        self.limits.check(self.size, self.count)

    def file(self, path: Path, source: IO[bytes], size: int, mode: int) -> None:
        self.tally(size)
        if path.is_symlink() or path.is_dir():
            raise SourceForbidden("The archive has a file that is also something else.")
        path.unlink(missing_ok=True)  # not written through: it may be a hard link
        written = 0
        with path.open("xb") as out:
            while data := source.read(CHUNK):
                self.deadline.left()
                written += len(data)
                self.limits.check(self.size - size + max(size, written), 0)
                out.write(data)
        self.size += max(0, written - size)
        path.chmod((mode & 0o777) | 0o644)

    def hardlink(self, path: Path, name: str) -> None:
        self.tally(0)
        target = self.place(name)
        if target is None or target.is_symlink() or not target.is_file() or path.exists():
            raise SourceForbidden("The archive has a link that leads out of it.")
        os.link(target, path)

    def symlink(self, path: Path, target: str) -> None:
        """Keep a link for the end: until then nothing can be written through it."""
        self.tally(0)
        if not target or target.startswith("/") or "\0" in target:
            raise SourceForbidden("The archive has a link that leads out of it.")
        self.links.append((path, target))

    def finish(self) -> None:
        """Make the links, and see where they really lead, other links included."""
        for path, target in self.links:
            self.place(str(path.relative_to(self.root)))
            if path.is_dir() and not path.is_symlink():
                raise SourceForbidden("The archive has a link that is also a folder.")
            path.unlink(missing_ok=True)
            path.symlink_to(target)
        top = list(self.root.iterdir())
        single = len(top) == 1 and top[0].is_dir() and not top[0].is_symlink()
        root = os.path.realpath(top[0] if single else self.root)
        for path, _ in self.links:
            self.deadline.left()
            ends = os.path.realpath(path)
            if ends != root and not ends.startswith(root + os.sep):
                raise SourceForbidden("The archive has a link that leads out of it.")
