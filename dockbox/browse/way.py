"""From a dockbox's folder to something in it, part by part and through no link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ..errors import (
    BadRequest,
    Busy,
    Conflict,
    DockboxError,
    Forbidden,
    LinkNotFollowed,
    NoSuchFile,
    StorageFailed,
)

# Names what is there without opening it: a device or a FIFO would notice, and a link be followed.
HANDLE = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
NAME = 255  # bytes of a name, on every file system that Linux knows


@dataclass(frozen=True)
class Place:
    """Names from the dockbox's folder on; ``folder`` says that it must be one.

    A name's bytes that are not UTF-8 are kept by ``surrogateescape``, as everywhere in ``os``.
    """

    parts: tuple[str, ...]
    folder: bool = False

    @property
    def address(self) -> str:
        """What stands for it in an address, exactly; ASCII."""
        return address(self.parts)


def address(parts: Sequence[str]) -> str:
    return "/".join(quote(os.fsencode(part), safe="") for part in parts)


def text(name: str) -> str:
    """A name as people may see it: what is not UTF-8 in it becomes U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")


def place(path: bytes) -> Place:
    """The place that ``path``, relative and without percent signs' codes, is the address of.

    Each place has one: raises ``BadRequest`` for ``.``, ``..``, empty parts and zero bytes.
    """
    folder = path.endswith(b"/") or not path
    parts = path.removesuffix(b"/").split(b"/") if path else []
    for part in parts:
        if part in (b"", b".", b"..") or b"\0" in part or len(part) > NAME:
            raise BadRequest(
                "Each part of a file's address has 1 to 255 bytes, without zero bytes, and is "
                "neither '.' nor '..'."
            )
    return Place(tuple(os.fsdecode(part) for part in parts), folder)


@contextmanager
def opened(root: Path, parts: Sequence[str]) -> Iterator[int]:
    """An ``O_PATH`` descriptor of what is at ``parts`` below ``root``, which may be a link itself.

    Raises ``LinkNotFollowed``, and ``OSError``.
    """
    here = os.open(root, HANDLE)
    try:
        for part in parts:
            below = enter(part, here)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def enter(name: str, parent: int) -> int:
    """A descriptor as above, of ``name`` in the folder ``parent``."""
    if stat.S_ISLNK(os.fstat(parent).st_mode):
        raise LinkNotFollowed()
    return os.open(name, HANDLE, dir_fd=parent)


def reopen(handle: int, flags: int) -> int:
    """Open what an ``O_PATH`` descriptor stands for, whatever is at its name by now.

    A lease that a program holds on it would make us wait: ``BlockingIOError`` instead.
    """
    return os.open(f"/proc/self/fd/{handle}", flags | os.O_NONBLOCK | os.O_CLOEXEC)


GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
CLOSED = {errno.EACCES, errno.EPERM}
ODD = {errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}
TAKEN = {errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY}
MEANWHILE = "Something else came to be there meanwhile."
MAY_NOT = "The server may not do this with it; root in the dockbox's terminal may."
HELD = "A program in the dockbox holds this file. Try again soon."


@contextmanager
def translated() -> Iterator[None]:
    """Failed system calls of the body as errors of ours, without a path."""
    try:
        yield
    except OSError as error:
        raise _error(error.errno) from None


def _error(number: int | None) -> DockboxError:
    if number in GONE:
        return NoSuchFile()
    if number == errno.ELOOP:
        return LinkNotFollowed()
    if number in CLOSED:
        return Forbidden(MAY_NOT)
    if number in ODD:
        return BadRequest("The file system takes no such name.")
    if number in TAKEN:
        return Conflict(MEANWHILE)
    if number == errno.EAGAIN:
        return Busy(HELD, 5)
    return StorageFailed()
