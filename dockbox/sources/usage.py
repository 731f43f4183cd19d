"""How much of a disk a tree holds, which whoever works in it may want to hide."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import FetchTimeout
from .base import Deadline
from .walk import walk

BLOCK = 512  # bytes: the unit of st_blocks, whatever the file system


@dataclass
class Usage:
    """Bytes of disk and number of files; ``hidden``: there are folders that we may not read."""

    bytes: float = 0
    files: int = 0
    hidden: bool = False

    def hide(self) -> None:
        self.hidden = True


def usage(directory: Path, deadline: Deadline) -> Usage:
    """What ``directory`` holds: blocks, so that a sparse file is not counted for its length.

    A file of several names, all of which are in here, is counted once.  What changes meanwhile is
    counted or not.  When the time of ``deadline`` is over, what was found until then.  Raises
    ``OSError`` for a broken disk.
    """
    found = Usage()
    with suppress(FetchTimeout):
        for _, entry in walk(directory, found.hide):
            found.files += 1
            try:
                info = entry.stat(follow_symlinks=False)
                folder = entry.is_dir(follow_symlinks=False)
                found.bytes += info.st_blocks * BLOCK / (1 if folder else info.st_nlink)
            except FileNotFoundError:
                pass
            except PermissionError:
                found.hide()
            deadline.left()
    return found
