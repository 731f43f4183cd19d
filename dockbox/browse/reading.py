"""A file's bytes, in pieces; or a folder's entries."""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import Conflict, Forbidden, LinkNotFollowed, NoSuchFile
from ..sources.hub import offload
from .listing import moment, page
from .way import Place, opened, reopen, text, translated

PIECE = 64 * 1024
LOOKED_AT = 8192  # bytes at the start of a file that show whether it is text
SPECIAL = "This is neither a file nor a folder."


class File:
    """An open file; ``size`` is what it had when it was opened.  ``close`` must be called."""

    def __init__(self, handle: int, name: str) -> None:
        self._handle = handle
        info = os.fstat(handle)
        self.name, self.size = text(name), info.st_size
        self.modified: datetime | None = moment(info.st_mtime)
        self.etag = f"{info.st_ino:x}-{info.st_size:x}-{info.st_mtime_ns:x}-{info.st_ctime_ns:x}"
        self.is_text = _is_text(os.pread(handle, LOOKED_AT, 0))

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from ``start`` to ``stop``, each piece read in a thread.

        However the file grows, they end there.  Raises ``Conflict`` if it has become shorter.
        """
        while start < stop:
            read = partial(os.pread, self._handle, min(PIECE, stop - start), start)
            with translated():
                piece = offload(read, pool="browse")
            if not piece:
                raise Conflict("The file became shorter while it was read.")
            start += len(piece)
            yield piece

    def close(self) -> None:
        os.close(self._handle)


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < LOOKED_AT)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def look(root: Path, place: Place, limit: int, after: str | None) -> File | dict[str, Any]:
    """The file at ``place`` below ``root``, or a page of what the folder there holds.

    Raises ``NoSuchFile``, ``LinkNotFollowed``, ``Forbidden``, ``BadRequest``, ``Busy`` and
    ``StorageFailed``.
    """
    return offload(lambda: _look(root, place, limit, after), pool="browse")


def _look(root: Path, place: Place, limit: int, after: str | None) -> File | dict[str, Any]:
    with translated(), opened(root, place.parts) as handle:
        mode = os.fstat(handle).st_mode
        if stat.S_ISLNK(mode):
            raise LinkNotFollowed()
        if stat.S_ISDIR(mode):
            folder = reopen(handle, os.O_RDONLY | os.O_DIRECTORY)
            try:
                return page(folder, place, limit, after)
            finally:
                os.close(folder)
        if place.folder:
            raise NoSuchFile()
        if not stat.S_ISREG(mode):
            raise Forbidden(SPECIAL)
        file = reopen(handle, os.O_RDONLY)
        try:
            return File(file, place.parts[-1])
        except BaseException:
            os.close(file)
            raise
