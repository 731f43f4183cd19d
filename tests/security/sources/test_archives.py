"""Archives made to harm: links, names, devices, holes, bombs, lies about sizes."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import pytest

from dockbox.errors import FetchFailed, FetchTimeout, SourceForbidden, SourceTooLarge
from dockbox.sources import Limits
from dockbox.sources.base import Deadline
from dockbox.sources.unpack import unpack

from ...unit.sources.conftest import Handler, Site
from ...unit.sources.test_archive import member, tar, zipped

L, H = tarfile.SYMTYPE, tarfile.LNKTYPE
EVIL = {
    "absolute": [member("/etc/x")],
    "parent": [member("a/../../x")],
    "symlink out": [member("a"), member("l", L, "../x")],
    "symlink absolute": [member("a"), member("l", L, "/etc/passwd")],
    "symlink out of the stripped top": [member("t/a"), member("t/l", L, "../b")],
    "write through": [member("l", L, "."), member("l/x")],
    "chain": [member("a/b/up", L, "../.."), member("x", L, "a/b/up/../y")],
    "hard link out": [member("h", H, "../../x")],
    "hard link to absolute": [member("h", H, "/etc/passwd")],
    "hard link to link": [member("l", L, "a"), member("h", H, "l")],
    "fifo": [member("f", tarfile.FIFOTYPE)],
    "device": [member("f", tarfile.CHRTYPE)],
    "file as folder": [member("a"), member("a/b")],
}


@pytest.mark.parametrize("case", EVIL)
def test_evil(site: Site, case: str) -> None:
    site.files["/x.tar"] = tar(*EVIL[case])
    with pytest.raises(SourceForbidden):
        site.fetch("/x.tar")
    assert site.left() == []


def test_evil_zip(site: Site) -> None:
    site.files["/x.zip"] = zipped("../x")
    with pytest.raises(SourceForbidden):
        site.fetch("/x.zip")


@pytest.mark.parametrize("kind", ["gz", "xz", "zip"])
def test_bombs(site: Site, kind: str) -> None:
    zeros = b"\0" * 20_000_000
    made = zipped("a", data=zeros) if kind == "zip" else tar(member("a"), data=zeros, mode="w:gz")
    made = tar(member("a"), data=zeros, mode="w:xz") if kind == "xz" else made
    site.files["/x"] = made
    with pytest.raises(SourceTooLarge):
        site.fetch("/x")
    assert site.left() == []


def raw(name: str, kind: bytes, data: bytes, size: int | None = None) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + data + b"\0" * (-len(data) % 512)


def pax(**values: str) -> bytes:
    lines = b""
    for key, value in values.items():
        body = f" {key.replace('_', '.')}={value}\n".encode()
        size = len(body) + len(str(len(body)))
        lines += str(size + (len(str(size)) > len(str(len(body))))).encode() + body
    return lines


END = b"\0" * 1024
SPARSE_1 = pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_name="a")
HOSTILE = {
    "old sparse": (raw("a", tarfile.GNUTYPE_SPARSE, b"") + END, SourceForbidden),
    "sparse map without end": (
        raw("p", tarfile.XHDTYPE, SPARSE_1) + raw("a", tarfile.REGTYPE, b"999999\n" + b"1\n" * 9),
        SourceForbidden,
    ),
    "headers for all": (
        b"".join(
            raw("g", tarfile.XGLTYPE, pax(**{f"k{n}": "v" * 100_000})) for n in range(40)
        ) + raw("a", tarfile.REGTYPE, b"") + END,
        SourceForbidden,
    ),
    "large header": (raw("p", tarfile.XHDTYPE, b"x" * 300_000), SourceForbidden),
    "negative header": (raw("p", tarfile.XHDTYPE, b"", -512) + END, SourceForbidden),
    "negative size": (
        raw("p", tarfile.XHDTYPE, pax(size="-999999")) + raw("a", tarfile.REGTYPE, b"") + END,
        FetchFailed,
    ),
    "header of headers": (raw("p", tarfile.GNUTYPE_LONGNAME, b"x") * 3000 + END, FetchFailed),
    "deeper than a path": (tar(member("d/" * 3000 + "a")), (FetchFailed, SourceTooLarge)),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_tars(site: Site, case: str) -> None:
    site.files["/x.tar"], error = HOSTILE[case]
    with pytest.raises(error):
        site.fetch("/x.tar", limits=Limits(20, 10**7, 10**5))
    assert site.left() == []


def test_zip_of_too_many_entries_is_not_opened(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """zipfile makes an object for each, even where the trailer tells of one only."""
    many = bytearray(zipped(*(str(n) for n in range(3000))))
    many[-14:-10] = struct.pack("<2H", 1, 1)
    site.files["/x.zip"] = bytes(many)
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("opened"))
    with pytest.raises(SourceTooLarge):
        site.fetch("/x.zip")
    assert site.left() == []


def test_zips(site: Site) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", "a")
    site.files["/lzma.zip"] = out.getvalue()
    with pytest.raises(FetchFailed):
        site.fetch("/lzma.zip")
    # the sizes of all entries count, although they share their data
    zeros = zipped("a", data=bytes(900_000))
    head, at = zeros.index(b"PK\x01\x02"), zeros.index(b"PK\x05\x06")
    entries = zeros[head:at] * 50
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 50, 50, len(entries), head, 0)
    site.files["/overlap.zip"] = zeros[:head] + entries + end
    with pytest.raises(SourceTooLarge):
        site.fetch("/overlap.zip")
    assert site.left() == []
    site.files["/ok.zip"] = zipped("A", "a", "a\nb", "ü/x")
    site.fetch("/ok.zip")
    assert sorted(os.listdir(site.out)) == ["A", "a", "a\nb", "ü"]


def test_modes_of_archives(site: Site) -> None:
    odd = [member("top", tarfile.DIRTYPE, mode=0), member("top/a", mode=0o7000),
           member("top/b", mode=0o7777), member("top/d", tarfile.DIRTYPE, mode=0o6000)]  # fmt: skip
    site.files["/x.tar"] = tar(*odd)
    site.fetch("/x.tar")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in site.out.rglob("*")}
    assert modes["a"] == 0o644 and modes["b"] == 0o777
    assert modes["d"] & 0o7700 == stat.S_IMODE(site.out.stat().st_mode) & 0o7700 == 0o700


def test_a_length_of_many_digits(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files["/x.tar"] = tar(member("a"))
    real = Handler.send_header

    def send_header(self: Handler, name: str, value: str) -> None:
        real(self, name, "9" * 5000 if name == "Content-Length" else value)

    monkeypatch.setattr(Handler, "send_header", send_header)
    site.fetch("/x.tar")
    assert os.listdir(site.out) == ["a"]


# --- names and modes ------------------------------------------------------------------------


def test_names_that_differ_by_case_or_form_stay_apart_and_lead_nowhere(site: Site) -> None:
    """Where a file system takes two of them for one, a link comes last: nothing goes through it."""
    forms = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
    names = ["A", "a", *forms, "ﬁ", "fi", "ſ", "s", "K", "\u212a"]
    site.files["/x.tar"] = tar(*(member(f"top/{name}") for name in names))
    site.files["/x.zip"] = zipped(*(f"top/{name}" for name in names))
    for path in ("/x.tar", "/x.zip"):
        site.fetch(path)
        assert sorted(os.listdir(site.out)) == sorted(names)
        assert all((site.out / name).read_bytes() == b"hi" for name in names)
        for name in names:
            (site.out / name).unlink()
        site.out.rmdir()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_one_name_for_a_link_and_a_folder_is_refused_in_either_order(
    site: Site, order: tuple[int, int]
) -> None:
    """What two names are on a file system that folds them."""
    both = [member("d", L, "."), member("d/x")]
    site.files["/x.tar"] = tar(member("a"), *(both[number] for number in order))
    with pytest.raises(SourceForbidden):
        site.fetch("/x.tar")
    assert site.left() == []


def test_one_name_twice_is_the_last_of_both_and_no_link_is_written_through(site: Site) -> None:
    """Not even a hard link: the file that it was stays as it is."""
    again = member("h")
    many = io.BytesIO()
    with tarfile.open(fileobj=many, mode="w") as archive:
        for info, data in ((member("a"), b"one"), (member("h", H, "a"), b""), (again, b"two")):
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    site.files["/x.tar"] = many.getvalue()
    site.fetch("/x.tar")
    assert ((site.out / "a").read_bytes(), (site.out / "h").read_bytes()) == (b"one", b"two")


def test_owners_marks_and_attributes_of_an_archive_are_not_taken_over(site: Site) -> None:
    info = member("top/a", mode=0o6755)
    info.uid = info.gid = 12345
    info.pax_headers = {
        "SCHILY.xattr.user.evil": "x", "SCHILY.acl.access": "user::rwx",
        "LIBARCHIVE.xattr.security.capability": "AQAAAgAgAAAAAAAAAAAAAAAAAAA=",
    }  # fmt: skip
    site.files["/x.tar"] = tar(info, member("top/b"))
    site.fetch("/x.tar")
    found = (site.out / "a").stat()
    assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
    assert stat.S_IMODE(found.st_mode) == 0o755 and os.listxattr(site.out / "a") == []


@pytest.mark.parametrize("name", [b"\xff\xfe", b"a\nb", b"\x1b[2J", b"-rf", b"\xc0\xae\xc0\xae"])
def test_a_name_that_is_not_text_is_a_name(site: Site, name: bytes) -> None:
    site.files["/x.tar"] = tar(member(os.fsdecode(b"top/" + name)), member("top/b"))
    site.fetch("/x.tar")
    assert os.fsencode("b") in os.listdir(os.fsencode(site.out))
    assert name in os.listdir(os.fsencode(site.out))


@pytest.mark.parametrize("name", ["x" * 300, "d/" * 2500 + "x", "x" * 100_000])
def test_a_name_that_is_too_long_is_an_error_of_ours(site: Site, name: str) -> None:
    site.files["/x.tar"] = tar(member(name))
    with pytest.raises((FetchFailed, SourceTooLarge)):
        site.fetch("/x.tar", limits=Limits(20, 10**7, 10**5))
    assert site.left() == []


# --- bombs ----------------------------------------------------------------------------------


def test_an_archive_in_an_archive_is_a_file(site: Site) -> None:
    """However small, and whatever it would become: it is unpacked once."""
    zeros = gzip.compress(bytes(50_000_000))
    inner = tar(member("top/bomb.gz"), member("top/b"), data=gzip.compress(zeros), mode="w:gz")
    site.files["/x.tar.gz"] = inner
    site.fetch("/x.tar.gz")
    assert gzip.decompress((site.out / "bomb.gz").read_bytes()) == zeros


def test_endless_tiny_files_end_at_the_bound(tmp_path: Path) -> None:
    """Compressed to next to nothing; the bound stops it long before the end."""
    file = tmp_path / "x"
    with tarfile.open(file, mode="w:xz", preset=0) as archive:
        for number in range(20_000):
            archive.addfile(tarfile.TarInfo(str(number)))
    with pytest.raises(SourceTooLarge, match="1000 files"):
        unpack(file, tmp_path / "tree", Limits(60, 10**9, 1000), Deadline(60))
    assert len(os.listdir(tmp_path / "tree")) <= 1000


def test_a_zip_that_lies_about_its_sizes_writes_no_more_than_it_says(site: Site) -> None:
    honest = bytearray(zipped("a", data=bytes(9_000_000)))
    entry = honest.index(b"PK\x01\x02")
    honest[entry + 24 : entry + 28] = honest[22:26] = struct.pack("<L", 10)
    site.files["/x.zip"] = bytes(honest)
    with pytest.raises(FetchFailed):
        site.fetch("/x.zip", limits=Limits(20, 100_000, 10))
    assert site.left() == []


@pytest.mark.parametrize("kind", ["name", "comment"])
def test_a_header_without_end_is_given_up_in_time(tmp_path: Path, kind: str) -> None:
    """gzip's file name, which is read byte by byte: minutes of it, if nobody looks at the clock."""
    file = tmp_path / "x"
    flags = b"\x08" if kind == "name" else b"\x10"
    file.write_bytes(b"\x1f\x8b\x08" + flags + b"\0" * 6 + b"x" * 30_000_000)
    with pytest.raises(FetchTimeout):
        unpack(file, tmp_path / "tree", Limits(1, 10**9, 10), Deadline(0.2))


def test_blocks_of_nothing_are_given_up_in_time(tmp_path: Path) -> None:
    """xz streams that hold nothing, one after the other."""
    file = tmp_path / "x"
    file.write_bytes(lzma.compress(b"") * 1_000_000)
    with pytest.raises(FetchTimeout):
        unpack(file, tmp_path / "tree", Limits(1, 10**9, 10), Deadline(0.2))
