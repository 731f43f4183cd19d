"""The table of accepted and refused source URLs."""

from __future__ import annotations

import pytest

from dockbox.errors import BadSource, SourceForbidden
from dockbox.sources import parse

GH = "https://github.com/o/r"
SHA = "a" * 40


@pytest.mark.parametrize(
    ("text", "kind", "public", "ref", "subdir"),
    [
        (GH, "git", GH, None, None),
        (GH + ".git", "git", GH + ".git", None, None),
        (GH + "/", "git", GH, None, None),
        ("github.com/o/r", "git", GH, None, None),
        ("www.github.com/o/r", "git", GH, None, None),
        ("gitlab.com/g/s/r", "git", "https://gitlab.com/g/s/r", None, None),
        ("bitbucket.org/o/r", "git", "https://bitbucket.org/o/r", None, None),
        ("https://bitbucket.org/o/r/src/dev/d", "git", "https://bitbucket.org/o/r", "dev", "d"),
        (GH + "/tree/main", "git", GH, "main", None),
        (GH + "/tree/main/a/b", "git", GH, "main", "a/b"),
        (GH + "/blob/main/a/x.py", "git", GH, "main", "a"),
        (GH + "/blob/main/x.py", "git", GH, "main", None),
        (GH + "/pull/7", "git", GH, "refs/pull/7/head", None),
        (GH + "/pull/7/files", "git", GH, "refs/pull/7/head", None),
        (GH + "/commit/" + SHA, "git", GH, SHA, None),
        ("https://git.x.org/g/s/r/-/tree/v1/d", "git", "https://git.x.org/g/s/r", "v1", "d"),
        ("git::https://x.org/r", "git", "https://x.org/r", None, None),
        ("git::https://x.org/r//d?ref=v1", "git", "https://x.org/r", "v1", "d"),
        ("git@github.com:o/r.git", "git", "git@github.com:o/r.git", None, None),
        ("ssh://git@x.org/o/r.git?ref=v1", "git", "ssh://git@x.org/o/r.git", "v1", None),
        (GH + "?ref=v1", "git", GH, "v1", None),
        (GH + "//d/e?ref=v1", "git", GH, "v1", "d/e"),
        ("https://x.org/o/r", "http", "https://x.org/o/r", None, None),
        ("https://x.org:443/o/r.git", "git", "https://x.org/o/r.git", None, None),
        ("https://me:pw@x.org/r.git", "git", "https://x.org/r.git", None, None),
        ("https://x.org/a.zip?token=t&v=1", "archive", "https://x.org/a.zip?v=1", None, None),
        (GH + "/archive/refs/heads/m.zip", "archive", GH + "/archive/refs/heads/m.zip", None, None),
        ("https://x.org/a.tgz//d", "archive", "https://x.org/a.tgz", None, "d"),
        *((f"https://x.org/a{end}", "archive", f"https://x.org/a{end}", None, None)
          for end in (".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")),
    ],
)  # fmt: skip
def test_forms(text: str, kind: str, public: str, ref: str | None, subdir: str | None) -> None:
    got = parse(text)
    assert (got.kind, got.public_url, got.ref, got.subdir) == (kind, public, ref, subdir)


@pytest.mark.parametrize(
    "text",
    [
        "ext::sh -c id", "ext::id", "fd::17", "file:///etc", "file::/etc", "git::file:///etc",
        "git::ext::id", "ftp://x.org/r", "git://x.org/r", "-oProxyCommand=x", "", "o/r", "nonsense",
        "https://-x.org/r", "ssh://-oX@x.org/r", "git@-x:o/r", "git@x.org:-r", "https:///r",
        "https://x.org/a b", "https://x.org/a\n", "https://x.org/\x00", "https://x.org:99999/r",
        "https://x.org/" + "a" * 2048, "https://x.org\\@y.org/r", "https://github.com/",
        GH + "?ref=-x", GH + "?ref=a..b", GH + "?ref=a%20b", GH + "//../x", GH + "//a/../../x",
        GH + "/tree/main/..%2f..", GH + "//.git/hooks",
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises((BadSource, SourceForbidden)):
        parse(text)


@pytest.mark.parametrize("ref", ["-x", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "/a",
                                 "a/", "a//b", ".a", "a/.b", "a.lock", "a.", "@", "a@{1}", "a\\b",
                                 "a\x7f", "a" * 300])  # fmt: skip
def test_bad_refs(ref: str) -> None:
    with pytest.raises(BadSource):
        parse(GH, ref=ref)


@pytest.mark.parametrize("subdir", ["/a", "..", "a/..", "-a", "a\nb", "a/.git", "a\\b"])
def test_bad_subdirs(subdir: str) -> None:
    with pytest.raises(BadSource):
        parse(GH, subdir=subdir)


def test_arguments_win() -> None:
    got = parse(GH + "//x?ref=v1", ref="v2", subdir="y/")
    assert (got.ref, got.subdir) == ("v2", "y")
    got = parse(GH + "/tree/feature/a/src", ref="feature/a")
    assert (got.ref, got.subdir, got.ambiguous) == ("feature/a", "src", False)


def test_credentials_do_not_show() -> None:
    got = parse("https://me:s3cret@x.org/a.zip?X-Amz-Signature=s3cret&access_token=s3cret")
    assert "s3cret" in got.url and "s3cret" not in repr(got) + got.public_url


@pytest.mark.parametrize("host", ["0177.0.0.1", "2130706433", "0x7f.1", "127.1", "127.0.0.1."])
def test_numeric_hosts_are_made_canonical(host: str) -> None:
    assert parse(f"https://{host}/r.git").host == "127.0.0.1"
