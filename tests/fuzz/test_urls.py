"""Sources' URLs: whatever is pasted, it is refused or safe to be given to git and to urllib3."""

from __future__ import annotations

import re
from ipaddress import ip_address

from hypothesis import example, given
from hypothesis import strategies as st
from urllib3.util import parse_url

from dockbox.errors import BadSource, SourceForbidden
from dockbox.sources import parse
from dockbox.sources.names import is_inside, is_ref
from dockbox.sources.pages import GIT_HOSTS, read_page
from dockbox.sources.url import DEFAULT_PORTS, clean_host

from .profile import fuzz

SECRET = "hunter2"
PIECES = (
    "https://", "http://", "ssh://", "git::", "ext::", "fd::", "file://", "git@", "-o",
    "--upload-pack=", "github.com", "gitlab.com", "example.com", "www.", "127.0.0.1", "0x7f.1",
    "2130706433", "[::1]", "[::ffff:7f00:1]", "::", "a.git", "tree", "blob", "-", "commit", "pull",
    "refs", "heads", "src", "branch", "/", "//", ":", ":22", ":0", ":99999", "@", "?", "#", "%",
    "%2f", "%00", "%2e%2e", "..", ".", "&", "=", "ref=", "ref=-x", "sshkey=a", "token=" + SECRET,
    f"me:{SECRET}@", ".zip", ".tar.gz", "\\", "\n", "\t", " ", "\0", "\u2024", "\u3002", "ß",
    "\ud800", "\uff0f", "\u2100", "a" * 70, "{}",
)  # fmt: skip
URLS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=12).map(
        lambda parts: "https://" + "".join(parts)
    ),
    st.text(max_size=60),
)
NAMES = st.one_of(st.none(), URLS)


@fuzz(400)
@given(URLS, NAMES, NAMES)
@example("https://gitlab.com/g/p/-/tree/a/b", "a", "b")
@example(f"https://me:{SECRET}@example.com/a.git", None, None)
@example(f"https://me:{SECRET}@[::1]:22/a?token={SECRET}&ref=x", None, None)
def test_a_url_is_refused_or_safe(url: str, ref: str | None, subdir: str | None) -> None:
    try:
        found = parse(url, ref, subdir)
    except (BadSource, SourceForbidden) as error:
        assert SECRET not in error.message
        return
    assert found.kind in ("git", "archive", "http") and found.scheme in DEFAULT_PORTS
    for text in (found.url, found.public_url):
        assert text.isprintable() and " " not in text and not text.startswith("-")
    assert found.url.startswith(f"{found.scheme}://") or found.scheme == "ssh"
    assert found.host == clean_host(found.host) and not found.host.startswith("-")
    assert found.ref is None or is_ref(found.ref)
    assert found.subdir is None or is_inside(found.subdir)
    assert found.port is None or 0 < found.port < 65536
    if f"me:{SECRET}@" in url and f":{SECRET}@" in found.url:
        assert f":{SECRET}@" not in found.public_url and SECRET not in repr(found)
    if "://" in found.url:
        # what is checked is what is called: the one who connects reads the same host
        seen = parse_url(found.url)
        assert clean_host(seen.host or "") == found.host
        assert (seen.port or None) == found.port


@fuzz(200)
@given(st.sampled_from([*GIT_HOSTS, "example.com"]), URLS)
def test_a_page_is_read_without_a_fault(host: str, path: str) -> None:
    page = read_page(host, "/" + path)
    assert page.path == "" or page.path.startswith("/")


@fuzz(300)
@given(URLS)
@example("0177.1")
@example("127.1")
def test_a_host_is_one_that_all_libraries_read_alike(host: str) -> None:
    try:
        clean = clean_host(host)
    except BadSource:
        return
    assert clean.isascii() and clean == clean_host(clean)
    if re.fullmatch(r"[0-9.x]+", clean):
        ip_address(clean)
