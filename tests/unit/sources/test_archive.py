"""Archives: every format, and the evil ones."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from typing import Any

import pytest
import zstandard

from dockbox.errors import BadSource, FetchFailed, SourceForbidden, SourceTooLarge
from dockbox.sources import Limits, Policy

from .conftest import Site


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> Any:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


def tar(*members: Any, data: bytes = b"hi", mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for info in members:
            info.size = len(data) if info.type == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(data) if info.size else None)
    return out.getvalue()


def zipped(*names: str, data: bytes = b"hi") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, data)
    return out.getvalue()


def every_format() -> dict[str, bytes]:
    files = [member("top/a"), member("top/d/b", mode=0o4755)]
    made = {f".tar.{kind}": tar(*files, mode=f"w:{kind}") for kind in ("gz", "bz2", "xz")}
    plain = tar(*files)
    made |= {".tar": plain, ".tgz": made[".tar.gz"], ".zip": zipped("top/a", "top/d/b")}
    return made | {".tar.zst": zstandard.compress(plain)}


@pytest.mark.parametrize("name", ["", *every_format()])
def test_formats(site: Site, name: str) -> None:
    site.files["/x" + name] = every_format()[name or ".tar.gz"]
    assert site.fetch("/x" + name).commit is None
    assert (site.out / "a").read_bytes() == (site.out / "d/b").read_bytes() == b"hi"
    assert not (site.out / "d/b").stat().st_mode & 0o7000
    assert site.left() == ["out"]
    assert any(step.percent == 100 for step in site.steps)


def test_links_inside(site: Site) -> None:
    links = [member("t/l", tarfile.SYMTYPE, "d/b"), member("t/h", tarfile.LNKTYPE, "t/d/b")]
    site.files["/x.tar"] = tar(member("t/d/b"), *links)
    site.fetch("/x.tar")
    assert (site.out / "l").read_bytes() == (site.out / "h").read_bytes() == b"hi"


def test_too_many_and_too_large(site: Site) -> None:
    site.files["/x.tar"] = tar(*(member(f"f{n}") for n in range(30)))
    for limits in (Limits(20, 10**6, 20), Limits(20, 1000, 1000)):
        with pytest.raises(SourceTooLarge):
            site.fetch("/x.tar", limits=limits)
    assert site.left() == []


@pytest.mark.parametrize("name", every_format())
def test_damaged(site: Site, name: str) -> None:
    whole = every_format()[name]
    site.files["/x" + name] = whole[: len(whole) // 2] if name != ".tar" else whole[:600]
    site.files["/y" + name] = b"<html>" * 200
    for path in ("/x", "/y"):
        with pytest.raises(FetchFailed):
            site.fetch(path + name)
    assert site.left() == []


def test_subdir(site: Site) -> None:
    site.files["/x.tar"] = tar(member("t/d/b"), member("t/l", tarfile.SYMTYPE, "d"))
    site.fetch("/x.tar", subdir="d")
    assert os.listdir(site.out) == ["b"]
    site.out.joinpath("b").unlink()
    for wrong in ("nope", "l"):
        with pytest.raises(BadSource):
            site.fetch("/x.tar", subdir=wrong)


def test_redirects_are_checked(site: Site) -> None:
    site.redirects = {"/r.tar": "http://169.254.169.254/x", "/loop.tar": "/loop.tar",
                      "/ok.tar": "/x.tar", "/f.tar": "file:///etc/passwd"}  # fmt: skip
    site.files["/x.tar"] = tar(member("a"))
    for path in ("/r.tar", "/f.tar"):
        with pytest.raises(SourceForbidden):
            site.fetch(path)
    with pytest.raises(FetchFailed):
        site.fetch("/loop.tar")
    site.fetch("/ok.tar")
    assert site.left() == ["out"]


def test_refused_without_policy(site: Site) -> None:
    with pytest.raises(SourceForbidden):
        site.fetch("/x.tar", policy=Policy())


def test_private_archive_and_progress_that_raises(site: Site) -> None:
    site.files["/x.tar"] = tar(member("a"))
    with pytest.raises(FetchFailed, match="private"):
        site.fetch("/private/x.tar")

    def stop(step: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.fetch("/private/x.tar", "me:s3cret@", progress=stop)
    assert site.left() == []
    site.fetch("/private/x.tar", "me:s3cret@")
