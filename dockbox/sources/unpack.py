"""Unpacking that trusts nothing in an archive: not its names, links, modes or sizes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from ..errors import FetchFailed, SourceForbidden, SourceTooLarge
from .base import Deadline, Limits
from .target import CHUNK, Target

HEAD = 512
MAGIC = {
    b"PK\x03\x04": "zip", b"PK\x05\x06": "zip", b"\x1f\x8b": "gz", b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zst",
}  # fmt: skip
CORRUPT = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError,
    gzip.BadGzipFile, EOFError, NotImplementedError, RuntimeError, ValueError, UnicodeError,
)  # fmt: skip
DAMAGED = "The archive is damaged or in a format that is not known."
SPARSE = "The archive has a sparse file, which is not allowed."
EXTENDED = b"LKxgX"  # tar's long names and pax headers, which tarfile reads into memory whole


def detect(head: bytes) -> str | None:
    """The format that the first ``HEAD`` bytes tell, ``None`` for no archive."""
    for magic, name in MAGIC.items():
        if head.startswith(magic):
            return name
    return "tar" if head[257:262] == b"ustar" else None


class Xz(io.RawIOBase):
    """lzma with a bound on memory: a header may ask for a dictionary of 4 GiB."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.lzma = file, lzma.LZMADecompressor(memlimit=256 * 2**20)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            data = b""
            if self.lzma.eof:
                rest = self.lzma.unused_data or self.file.read(CHUNK)
                if not rest.strip(b"\0"):
                    return 0
                self.lzma, data = lzma.LZMADecompressor(memlimit=256 * 2**20), rest
            elif self.lzma.needs_input:
                data = self.file.read(CHUNK)
                if not data:
                    raise EOFError
            out = self.lzma.decompress(data, len(buffer))
            if out:
                buffer[: len(out)] = out
                return len(out)


class Timed(io.RawIOBase):
    """The archive's file: what reads from it stops at the deadline, whatever it is looking for.

    Libraries look for the end of a gigabyte of a file's name, or read block after block of nothing.
    """

    def __init__(self, file: IO[bytes], deadline: Deadline) -> None:
        self.file, self.deadline = file, deadline

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self.deadline.left()
        return self.file.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        return self.file.seek(place, whence)

    def tell(self) -> int:
        return self.file.tell()


class Bounded(io.RawIOBase):
    """A reader that stops at the deadline and at too many unpacked bytes."""

    def __init__(self, file: Any, most: int, deadline: Deadline) -> None:
        self.file, self.rest, self.deadline = file, most, deadline

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        self.deadline.left()
        data = cast(bytes, self.file.read(CHUNK if size < 0 else size))
        self.rest -= len(data)
        if self.rest < 0:
            raise SourceTooLarge("The archive unpacks to more than this server allows.")
        return data


class Member(tarfile.TarInfo):
    """A header that does not make tarfile collect things in memory."""

    shared = 0  # bytes of headers for all members, which tarfile keeps; counted in a subclass

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Member:
        info = super().frombuf(buf, encoding, errors)  # type: ignore[arg-type]
        if info.type == tarfile.GNUTYPE_SPARSE:
            raise SourceForbidden(SPARSE)
        if info.type in (bytes([kind]) for kind in EXTENDED):
            cls.shared += info.size if info.type == tarfile.XGLTYPE else 0
            if not 0 <= info.size <= 2**17 or cls.shared > 2**20:
                raise SourceForbidden("The archive has a header that is too large.")
        return info

    def _proc_gnusparse_10(self, *args: object) -> None:
        raise SourceForbidden(SPARSE)


def unpack(file: Path, tree: Path, limits: Limits, deadline: Deadline) -> None:
    """Unpack ``file`` into the new folder ``tree``.

    Raises ``FetchFailed`` for a corrupt archive, ``SourceForbidden`` for an evil one,
    ``SourceTooLarge`` for one beyond ``limits`` and ``FetchTimeout``.
    """
    target = Target(tree, limits, deadline)
    try:
        with file.open("rb") as opened:
            raw = cast(IO[bytes], Timed(opened, deadline))
            kind = detect(raw.read(HEAD))
            raw.seek(0)
            if kind == "zip":
                _zip(raw, target)
            else:
                _tar(_stream(kind, raw), target)
        target.finish()
    except (*CORRUPT, MemoryError):
        raise FetchFailed(DAMAGED) from None
    except OSError as error:
        if error.errno is None:  # gzip and bz2 say so for bad data
            raise FetchFailed("The archive is damaged.") from None
        raise


def _stream(kind: str | None, raw: IO[bytes]) -> Any:
    if kind == "gz":
        return gzip.GzipFile(fileobj=raw)
    if kind == "bz2":
        return bz2.BZ2File(raw)
    if kind == "xz":
        return io.BufferedReader(Xz(raw), CHUNK)
    if kind == "zst":
        return zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(
            raw, read_across_frames=True
        )
    return raw


def _tar(stream: Any, target: Target) -> None:
    most = target.limits.max_bytes + 4096 * (target.limits.max_files + 64)  # headers, padding
    source = Bounded(stream, most, target.deadline)
    members = type("Counted", (Member,), {})
    with tarfile.open(fileobj=source, mode="r|", tarinfo=members) as tar:
        for member in tar:
            cast(Any, tar).members = []  # tarfile would keep every header
            path = target.place(member.name)
            if member.size < 0:
                raise FetchFailed(DAMAGED)
            if member.isdir():
                if path:
                    target.folder(path)
            elif path is None or member.sparse is not None:
                raise SourceForbidden("The archive has an entry that is not allowed.")
            elif member.islnk():
                target.hardlink(path, member.linkname)
            elif member.issym():
                target.symlink(path, member.linkname)
            elif member.isreg():
                target.file(
                    path, cast(IO[bytes], tar.extractfile(member)), member.size, member.mode
                )
            else:
                raise SourceForbidden("The archive has a device or another special file.")


def _zip(raw: IO[bytes], target: Target) -> None:
    target.limits.check(0, _zip_entries(raw, target.limits))
    with zipfile.ZipFile(raw) as archive:
        entries = archive.infolist()
        target.limits.check(sum(entry.file_size for entry in entries), len(entries))
        for entry in entries:
            path, mode = target.place(entry.filename), entry.external_attr >> 16
            if entry.is_dir():
                if path:
                    target.folder(path)
                continue
            if path is None or stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFLNK):
                raise SourceForbidden("The archive has an entry that is not allowed.")
            if entry.compress_type == zipfile.ZIP_LZMA:  # its memory cannot be bounded
                raise NotImplementedError
            with archive.open(entry) as source:
                if stat.S_ISLNK(mode):
                    target.symlink(path, os.fsdecode(source.read(4096)))
                else:
                    target.file(path, source, entry.file_size, mode)


def _zip_entries(raw: IO[bytes], limits: Limits) -> int:
    """How many entries there are, counted without an object for each as zipfile makes."""
    end = cast(Any, zipfile)._EndRecData(raw)
    if not end:
        raise zipfile.BadZipFile
    size, place, wide = end[5], end[9], end[0] == b"PK\x06\x06"
    if size > 512 * (limits.max_files + 2048):
        raise SourceTooLarge("The archive's list of files is too large.")
    raw.seek(max(0, place - size - 76 * wide))
    table = memoryview(raw.read(size))
    count = at = 0
    while at + 46 <= len(table) and count <= limits.max_files:
        at += 46 + sum(struct.unpack_from("<3H", table, at + 28))
        count += 1
    return count
