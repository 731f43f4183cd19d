"""What a folder holds, a page at a time: no folder is too large, and no entry is opened."""

from __future__ import annotations

import base64
import binascii
import errno
import heapq
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from ..errors import BadRequest
from .way import Place, address, text

MOST = 200_000  # entries of one folder that are looked at
TARGET = 1024  # characters of a link's target that are shown
Key = tuple[bool, bytes]  # folders come first, then by the names' bytes


def page(folder: int, place: Place, limit: int, after: str | None) -> dict[str, Any]:
    """At most ``limit`` entries of the open ``folder``, behind the cursor ``after``.

    All entries are looked at for each page, but only a page of them is kept.  Raises
    ``BadRequest`` for a bad cursor, and ``OSError``.
    """
    behind = _read_cursor(after) if after else None
    with os.scandir(folder) as found:
        keys = (_key(entry) for entry in islice(found, MOST))
        first = heapq.nsmallest(limit + 1, (key for key in keys if not behind or key > behind))
        truncated = next(found, None) is not None
    chosen = first[:limit]
    return {
        "path": place.address,
        "type": "folder",
        "items": list(_items(folder, place, chosen)),
        "next": _cursor(chosen[-1]) if len(first) > limit else None,
        "truncated": truncated,
    }


def _key(entry: os.DirEntry[str]) -> Key:
    folder = False
    with suppress(OSError):  # a folder that may be listed, but not entered
        folder = entry.is_dir(follow_symlinks=False)
    return not folder, os.fsencode(entry.name)


def _items(folder: int, place: Place, keys: list[Key]) -> Iterator[dict[str, Any]]:
    for _, raw in keys:
        name = os.fsdecode(raw)
        with suppress(FileNotFoundError):  # gone meanwhile
            item = {"name": text(name), "path": address([*place.parts, name])}
            yield item | _described(name, folder)


def _described(name: str, folder: int) -> dict[str, Any]:
    try:
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except PermissionError:
        return {"type": "other", "size": None, "modified": None}
    mode, modified = info.st_mode, moment(info.st_mtime)
    if stat.S_ISREG(mode):
        executable = bool(mode & 0o111)
        found = {"type": "file", "size": info.st_size, "modified": _iso(modified)}
        return found | {"executable": executable}
    kind = "folder" if stat.S_ISDIR(mode) else "other"
    found = {"type": kind, "size": None, "modified": _iso(modified)}
    if stat.S_ISLNK(mode):
        return found | {"type": "link", "target": _target(name, folder)}
    return found


def _target(name: str, folder: int) -> str | None:
    try:
        return text(os.readlink(name, dir_fd=folder))[:TARGET]
    except OSError as error:
        if error.errno != errno.EINVAL:  # no link any more
            raise
        return None


def moment(seconds: float) -> datetime | None:
    """A file's time, which anybody can set to any number; ``None`` if no calendar has it."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _iso(time: datetime | None) -> str | None:
    return time.isoformat(timespec="milliseconds")[:-6] + "Z" if time else None


def _cursor(key: Key) -> str:
    raw = bytes([key[0]]) + key[1]
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read_cursor(cursor: str) -> Key:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        if len(raw) < 2 or raw[0] > 1:
            raise ValueError
    except (ValueError, binascii.Error):
        raise BadRequest("after must be the 'next' of an earlier answer.") from None
    return bool(raw[0]), raw[1:]
