"""Files and folders made and removed: a file is there whole, or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import AlreadyThere, BadRequest, Conflict, Forbidden, LinkNotFollowed, StorageFailed
from ..sources.files import remove as remove_tree
from .reading import SPECIAL
from .way import HANDLE, Place, enter, opened, reopen, translated

TEMPORARY = ".dockbox-upload-"
# Modes as ``sources.files.share`` gives them: for the server's group and the container's root.
FILE, FOLDER = 0o664, 0o2775
NO_UNNAMED = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}
STALE = 3600  # seconds without a byte, after which nobody is writing a temporary file any more
SWEPT = 1000  # entries of a folder that are looked at for such
ROOT = "The dockbox's own folder can be neither made nor removed."


class Upload:
    """A file on its way in.  It has no name while it is written, so a crash leaves nothing of it.

    Missing folders are made when it is complete.  The caller runs each method in a thread, one
    after the other, and ``close`` at last; all raise what ``translated`` does.
    """

    def __init__(self, root: Path, place: Place, replace: bool, size: int | None) -> None:
        """``size`` is what was announced.  Raises also ``AlreadyThere`` and ``Conflict``."""
        if not place.parts or place.parts[-1].startswith(TEMPORARY):
            raise BadRequest(f"A file has a name, which does not begin with {TEMPORARY!r}.")
        self._name, self._replace = place.parts[-1], replace
        self._temporary: str | None = None  # the name, where one cannot be without
        with translated():
            self._folder, self._missing = _deepest(root, place.parts[:-1])
            try:
                if not self._missing:
                    self._present(self._folder)
                self._file = self._begin(size)
            except BaseException:
                os.close(self._folder)
                raise

    def _begin(self, size: int | None) -> int:
        free = os.fstatvfs(self._folder)
        if size and size > free.f_bavail * free.f_frsize:
            raise StorageFailed()
        try:
            flags = os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC
            file = os.open(".", flags, FILE, dir_fd=self._folder)
        except OSError as error:
            if error.errno not in NO_UNNAMED:
                raise
            file = self._begin_named()
        _sweep(self._folder, os.fstat(file).st_mtime - STALE)
        return file

    def _begin_named(self) -> int:
        """NFS, for one, has no files without a name."""
        self._temporary = TEMPORARY + secrets.token_hex(8)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._temporary, flags, FILE, dir_fd=self._folder)

    def write(self, data: bytes) -> None:
        with translated():
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]

    def commit(self) -> bool:
        """Give the file its name; whether there was none before.

        Raises also ``AlreadyThere`` and ``Conflict``.
        """
        with translated():
            folder = os.dup(self._folder)
            try:
                for name in self._missing:
                    below = _made(name, folder)[0]
                    os.close(folder)
                    folder = below
                return self._place(folder)
            finally:
                os.close(folder)

    def _place(self, folder: int) -> bool:
        before = self._present(folder)
        # a script that is replaced can still be run
        os.fchmod(self._file, FILE | (stat.S_IMODE(before.st_mode) & 0o777 if before else 0))
        if before is None:
            try:
                self._link(self._name, folder)
                return True
            except FileExistsError:
                if not self._replace:
                    raise AlreadyThere() from None
                self._present(folder)
        if self._temporary is None:
            name = TEMPORARY + secrets.token_hex(8)
            self._link(name, self._folder)
            self._temporary = name
        os.rename(self._temporary, self._name, src_dir_fd=self._folder, dst_dir_fd=folder)
        self._temporary = None
        return False

    def _link(self, name: str, folder: int) -> None:
        """Another name for the file that is open, whatever became of its own."""
        os.link(f"/proc/self/fd/{self._file}", name, dst_dir_fd=folder, follow_symlinks=True)

    def _present(self, folder: int) -> os.stat_result | None:
        """What has the name now; raises unless it is to be replaced, and can be."""
        try:
            info = os.stat(self._name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not self._replace:
            raise AlreadyThere()
        if stat.S_ISDIR(info.st_mode):
            raise Conflict("There is a folder of this name.")
        if stat.S_ISLNK(info.st_mode):
            raise LinkNotFollowed()
        if not stat.S_ISREG(info.st_mode):
            raise Forbidden(SPECIAL)
        return info

    def close(self) -> None:
        """Leave nothing of what was not committed."""
        if self._temporary is not None:
            with suppress(OSError):  # the container may have removed it
                os.unlink(self._temporary, dir_fd=self._folder)
        os.close(self._file)
        os.close(self._folder)


def _deepest(root: Path, parts: Sequence[str]) -> tuple[int, list[str]]:
    """The last folder on the way that is there, and the names of those that are missing."""
    here = os.open(root, HANDLE | os.O_DIRECTORY)
    try:
        for number, part in enumerate(parts):
            try:
                below = enter(part, here)
            except FileNotFoundError:
                return here, list(parts[number:])
            os.close(here)
            here = below
            _must_be_folder(here)
    except BaseException:
        os.close(here)
        raise
    return here, []


def _must_be_folder(handle: int) -> None:
    mode = os.fstat(handle).st_mode
    if stat.S_ISLNK(mode):
        raise LinkNotFollowed()
    if not stat.S_ISDIR(mode):
        raise Conflict("A part of the way is no folder.")


def _made(name: str, parent: int) -> tuple[int, bool]:
    """The folder ``name``, and whether it was made now."""
    try:
        os.mkdir(name, FOLDER & 0o777, dir_fd=parent)
        new = True
    except FileExistsError:
        new = False
    handle = enter(name, parent)
    try:
        _must_be_folder(handle)
        if new:
            os.chmod(f"/proc/self/fd/{handle}", FOLDER)  # mkdir looks at the umask
    except BaseException:
        os.close(handle)
        raise
    return handle, new


def _sweep(folder: int, before: float) -> None:
    """Remove what an upload that was killed has left, by the file server's own clock."""
    with suppress(OSError):  # a folder that may not be listed, for one
        here = reopen(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with os.scandir(here) as found:
                for _, entry in zip(range(SWEPT), found, strict=False):
                    if entry.name.startswith(TEMPORARY):
                        _sweep_one(here, entry.name, before)
        finally:
            os.close(here)


def _sweep_one(folder: int, name: str, before: float) -> None:
    with suppress(OSError):
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(info.st_mode) and info.st_mtime < before:
            os.unlink(name, dir_fd=folder)


def make_folder(root: Path, place: Place, new: bool) -> bool:
    """Make a folder and those that it is in; whether it was not there.

    Raises ``AlreadyThere`` if it must be ``new`` and is not, ``Conflict``, ``BadRequest`` and what
    ``translated`` does.
    """
    if not place.parts:
        raise BadRequest(ROOT)
    with translated():
        here, missing = _deepest(root, place.parts)
        created = False
        try:
            for name in missing:
                below, created = _made(name, here)
                os.close(here)
                here = below
        finally:
            os.close(here)
    if new and not created:
        raise AlreadyThere()
    return created


def remove(root: Path, place: Place) -> None:
    """Remove what is at ``place``, a folder with all that it holds, a link itself.

    Raises ``BadRequest``, ``Forbidden`` for what withstands, and what ``translated`` does.
    """
    if not place.parts:
        raise BadRequest(ROOT)
    with translated(), opened(root, place.parts[:-1]) as folder:
        os.close(enter(place.parts[-1], folder))  # raises if it is not there
        if not remove_tree(place.parts[-1], folder):
            raise Forbidden(
                "Not all of it could be removed: the server may not, or somebody adds to it. Root "
                "in the dockbox's terminal may."
            )
