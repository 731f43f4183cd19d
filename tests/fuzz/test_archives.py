"""Archives: real ones, then harmed.  Nothing leaves the folder, and no bound is passed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from dockbox.errors import DockboxError
from dockbox.sources import Limits
from dockbox.sources import unpack as unpacking
from dockbox.sources.base import Deadline

from .profile import fuzz

METHOD = st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
MAGIC = st.sampled_from([*unpacking.MAGIC, b""])
LIMITS = Limits(20, 200_000, 60)
PART = st.sampled_from(
    ["a", "b", "d", "..", ".", "", "A", "é", "e\u0301", ".git", "x" * 260, "\udcff", "n\nl"]
)
NAME = st.builds(
    lambda root, parts: root + "/".join(parts),
    st.sampled_from(["", "", "", "/", "//", "../", "d/"]), st.lists(PART, min_size=1, max_size=5),
)  # fmt: skip
KINDS = st.sampled_from([
    tarfile.REGTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE,
    tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE,
    b"K", b"L", b"x", b"g", b"Z", b"\0",
])  # fmt: skip
MEMBER = st.tuples(NAME, KINDS, NAME, st.binary(max_size=600), st.integers(0, 0o7777))
MEMBERS = st.lists(MEMBER, max_size=8)
HOW = st.sampled_from(["flip", "insert", "remove", "cut", "double"])
CUT = st.tuples(st.floats(0, 1), HOW, st.binary(max_size=8))
CUTS = st.lists(CUT, max_size=4)
PACK = {
    "tar": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress,
    "zst": zstandard.compress,
}  # fmt: skip


def tar(members: list[Any], form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as archive:
        for name, kind, link, data, mode in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, link, mode
            info.size = len(data) if kind not in (tarfile.DIRTYPE, tarfile.SYMTYPE) else 0
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(members: list[Any], method: int) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(out, "w", method) as archive:
        for name, kind, link, data, mode in members:
            info = zipfile.ZipInfo(name.encode(errors="replace").decode() or "x")
            form = {tarfile.SYMTYPE: stat.S_IFLNK, tarfile.CHRTYPE: stat.S_IFCHR}
            info.external_attr = (form.get(kind, stat.S_IFREG) | mode) << 16
            archive.writestr(info, link.encode(errors="replace") if kind == b"2" else data, method)
    return out.getvalue()


def harm(data: bytes, cuts: list[Any]) -> bytes:
    for where, how, piece in cuts:
        at = int(where * len(data))
        if how == "flip":
            data = data[:at] + piece + data[at + len(piece) :]
        elif how == "insert":
            data = data[:at] + piece + data[at:]
        elif how == "remove":
            data = data[:at] + data[at + 1 + len(piece) :]
        elif how == "double":
            data = data[:at] + data[max(0, at - 512) :]
        else:
            data = data[:at]
    return data


def signed(data: bytes) -> bytes:
    """A tar whose headers have the right sums, so that what was harmed in them is read."""
    out = bytearray(data)
    for at in range(0, len(out) - 511, 512):
        if out[at + 257 : at + 262] == b"ustar":
            out[at + 148 : at + 156] = b" " * 8
            out[at + 148 : at + 156] = b"%06o\0 " % sum(out[at : at + 512])
    return bytes(out)


def unpacked(data: bytes) -> None:
    """Unpack, and look at all that came of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_bytes(data)
        (folder / "outside").mkdir()
        (folder / "outside/a").write_text("mine")
        tree = folder / "tree"
        ok = True
        try:
            unpacking.unpack(folder / "file", tree, LIMITS, Deadline(20))
        except DockboxError as error:
            ok = False
            assert error.status in (400, 403, 413) and name not in error.message
        except OSError as error:  # translated by the caller, which knows the disk's own
            ok = False
            assert error.errno is not None
        assert sorted(os.listdir(folder)) in (
            ["file", "outside", "tree"],
            ["file", "outside"],
        )
        assert os.listdir(folder / "outside") == ["a"]
        assert (folder / "outside/a").read_text() == "mine"
        assert (folder / "outside/a").stat().st_nlink == 1
        if tree.exists():
            look(tree, ok)


def look(tree: Path, finished: bool) -> None:
    size = count = 0
    for place, folders, files in os.walk(tree):
        for one in [*folders, *files]:
            path = Path(place) / one
            info = path.lstat()
            count += 1
            assert stat.S_IFMT(info.st_mode) in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)
            if stat.S_ISLNK(info.st_mode):
                assert not finished or Path(os.path.realpath(path)).is_relative_to(tree)
            elif stat.S_ISREG(info.st_mode):
                assert not info.st_mode & 0o7000
                size += info.st_size
    assert size <= LIMITS.max_bytes and count <= LIMITS.max_files


@fuzz(250)
@given(
    MEMBERS, CUTS, CUTS, st.booleans(), st.sampled_from(sorted(PACK)),
    st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)  # fmt: skip
@example(
    [("l", tarfile.SYMTYPE, "../outside", b"", 0o644)], [], [], False, "tar", tarfile.GNU_FORMAT
)
def test_no_tar_gets_out(
    members: list[Any], cuts: list[Any], outer: list[Any], sums: bool, kind: str, form: int
) -> None:
    try:
        data = tar(members, form)
    except (ValueError, UnicodeError):
        return  # what this form cannot hold
    data = harm(data, cuts)
    unpacked(harm(PACK[kind](signed(data) if sums else data), outer))


@fuzz(200)
@given(MEMBERS, CUTS, METHOD)
def test_no_zip_gets_out(members: list[Any], cuts: list[Any], method: int) -> None:
    unpacked(harm(zipped(members, method), cuts))


@fuzz(100)
@given(MAGIC, st.binary(max_size=2000))
def test_no_noise_gets_out(magic: bytes, noise: bytes) -> None:
    unpacked(magic + noise)
