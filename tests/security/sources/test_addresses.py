"""No way to an address inside: by spelling, by a name, by a name that changes, by a redirect."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockbox.errors import BadSource, DockboxError, FetchFailed, SourceForbidden
from dockbox.sources import Policy, parse
from dockbox.sources.policy import is_public

from ...support.dns import Resolver
from ...unit.sources.conftest import Handler, Site
from ...unit.sources.test_archive import member, tar

NAME = "rebind.example.org"
FETCH = """
import json, pathlib, sys
from dockbox.errors import DockboxError
from dockbox.sources import Limits, Policy, fetch, parse
url, out, key, *allowed = sys.argv[1:]
limits = Limits(20, 10**7, 999)
try:
    fetch(parse(url), pathlib.Path(out), limits, Policy(tuple(allowed)), lambda step: None, key)
except DockboxError as error:
    print(json.dumps([error.code, error.message]))
else:
    print(json.dumps(["fetched", ""]))
"""


class Trap:
    """An address inside: whoever connects to it has been led astray."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_server((host, port))
        self._socket.settimeout(0)

    def touched(self) -> bool:
        """Whether somebody has come since the last time."""
        with contextlib.suppress(BlockingIOError):
            self._socket.accept()[0].close()
            return True
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def trap(site: Site) -> Iterator[Trap]:
    """At the site's port, but another address."""
    trap = Trap("127.0.0.2", site.server.server_port)
    yield trap
    trap.close()


@pytest.fixture
def names(tmp_path: Path) -> Iterator[Resolver]:
    names = Resolver(tmp_path)
    yield names
    names.close()


def fetched(names: Resolver, url: str, out: Path, *allowed: str, key: str = "") -> list[str]:
    """Code and message of what became of it, in a process that asks our name server."""
    said = names.run(FETCH, url, str(out), key, *(allowed or ("127.0.0.1/32",)))
    found = json.loads(said)
    return [str(part) for part in found]


# --- ranges and spellings -------------------------------------------------------------------

RANGES = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/96", "::ffff:0:0/96",
    "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:2::/48", "2001:10::/28",
    "2001:20::/28", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7",
    "fe80::/10", "fec0::/10", "ff00::/8",
]  # fmt: skip
METADATA = ["169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23",
            "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd20:ce::254"]  # fmt: skip


@pytest.mark.parametrize("net", RANGES)
def test_a_range_that_is_not_public_is_refused_from_end_to_end(net: str) -> None:
    whole = ipaddress.ip_network(net)
    for number in (0, 1, whole.num_addresses // 2, whole.num_addresses - 1):
        assert not is_public(whole[number])


@pytest.mark.parametrize("address", METADATA)
def test_the_metadata_of_clouds_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


def test_what_is_beside_those_ranges_is_public() -> None:
    for address in (
        "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1",
        "128.0.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1", "192.169.0.1", "198.17.0.1",
        "198.20.0.1", "223.255.255.255", "2001:4860:4860::8888", "2606:4700::1111", "2a00::1",
    ):  # fmt: skip
        assert is_public(ipaddress.ip_address(address)), address


SPELLINGS = [
    "https://127.0.0.1/x.git", "https://127.1/x.git", "https://127.0.1/x.git",
    "https://0177.0.0.1/x.git", "https://0x7f.0.0.1/x.git", "https://0x7f000001/x.git",
    "https://2130706433/x.git", "https://017700000001/x.git", "https://0X7F.1/x.git",
    "https://127.0.0.1./x.git", "https://127.0.0.1../x.git", "https://0/x.git", "https://0x0/x.git",
    "https://127。0。0。1/x.git", "https://127．0．0．1/x.git", "https://127｡0｡0｡1/x.git",
    "https://①②⑦.0.0.1/x.git", "https://１２７.0.0.1/x.git", "https://𝟏𝟐𝟕.0.0.1/x.git",
    "https://%31%32%37.0.0.1/x.git", "https://127.0.0.1%2e/x.git", "https://127.0.0.1%00.x.org/x",
    "https://localhost/x.git", "https://LOCALHOST./x.git", "https://ⓛocalhost/x.git",
    "https://[::1]/x.git", "https://[0:0:0:0:0:0:0:1]/x.git", "https://[::]/x.git",
    "https://[::ffff:127.0.0.1]/x.git", "https://[::ffff:7f00:1]/x.git", "https://[::7f00:1]/x.git",
    "https://[fe80::1%25lo]/x.git", "https://[fe80::1%lo]/x.git", "https://[::1%25lo]/x.git",
    "https://[64:ff9b::7f00:1]/x.git", "https://[2002:7f00:1::]/x.git",
    "https://169.254.169.254/x.git", "https://0xa9fea9fe/x.git", "https://2852039166/x.git",
    "https://0251.0376.0251.0376/x.git", "https://169.16689662/x.git",
    "https://github.com@127.0.0.1/x.git", "https://github.com:443@127.0.0.1/x.git",
    "https://github.com%2f@127.0.0.1/x.git", "https://github.com%40127.0.0.1/x.git",
    "https://127.0.0.1#@github.com/x.git", "https://127.0.0.1?@github.com/x.git",
    "https://github.com\\@127.0.0.1/x.git", "https://127.0.0.1\\@github.com/x.git",
    "https://github.com\t@127.0.0.1/x.git", "https://a@b@127.0.0.1/x.git", "//127.0.0.1/x.git",
    "https:127.0.0.1/x.git", "https:///127.0.0.1/x.git", "127.0.0.1/o/r", "git@127.0.0.1:o/r.git",
    "git@0x7f.1:o/r.git", "ssh://git@[::1]/o/r.git", "ssh://git@127.1/o/r.git",
    "git::https://github.com@127.0.0.1/x.git", "git::git@localhost:o/r.git",
    "https://127.0.0.1:443/x.git", "HTTPS://127.0.0.1/x.git",
]  # fmt: skip


@pytest.mark.parametrize("url", SPELLINGS)
def test_no_spelling_of_an_address_inside_is_taken_for_another(url: str) -> None:
    """Refused as it stands, or once its host is known; never asked of a name server."""
    with pytest.raises((SourceForbidden, BadSource)):
        source = parse(url)
        Policy().resolve(source.host, source.port, source.scheme)


@pytest.mark.parametrize(
    "url",
    [
        "ssh://github.com%2f@x.org/o/r", "ssh://%2doProxyCommand=id@x.org/o/r",
        "ssh://a%40b@x.org/o/r", "ssh://-x@x.org/o/r", "ssh://a b@x.org/o/r", "ssh://ü@x.org/o/r",
        "ssh://git@x.org/o%0ar", "ssh://git@x.org/o%00r", "ssh://git@x.org/%1b[2J",
        "ssh://git@x.org/o%c2%85r", "ssh://git@-oProxyCommand=id/o/r",
    ],
)  # fmt: skip
def test_what_git_decodes_in_an_ssh_url_is_no_other_host_and_no_option(url: str) -> None:
    with pytest.raises(BadSource):
        parse(url)


@pytest.mark.parametrize("port", [80, 22, 8443, 6379, 2375])
def test_another_port_is_for_private_sources_only(port: int) -> None:
    for url in (f"https://1.1.1.1:{port}/x.git", f"ssh://git@1.1.1.1:{port + 1}/x.git"):
        source = parse(url)
        with pytest.raises(SourceForbidden, match="Port"):
            Policy().resolve(source.host, source.port, source.scheme)
        listed = Policy((f"1.1.1.1:{source.port}",))
        assert listed.resolve(source.host, source.port, source.scheme) == ["1.1.1.1"]


# --- names, by a real name server -----------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    ["127.0.0.2", ("8.8.8.8", "127.0.0.2"), ("2606:4700::1111", "127.0.0.2"), "::ffff:127.0.0.2",
     "64:ff9b::7f00:2", "::1"],
)  # fmt: skip
def test_a_name_for_an_address_inside_is_refused(
    names: Resolver, site: Site, answer: str | tuple[str, ...]
) -> None:
    names.say(NAME, answer)
    for url in (f"https://{NAME}/x.git", f"https://{NAME}/x.tar", f"git@{NAME}:x/y.git"):
        code, message = fetched(names, url, site.out, key="/nonexistent")
        assert (code, message) == (
            "source_forbidden", f"The host {NAME} is not on the public internet.",
        )  # fmt: skip
    assert (NAME, 1) in names.asked and site.left() == ["resolv.conf"]


def test_an_archive_comes_from_the_address_that_was_checked(
    names: Resolver, site: Site, trap: Trap
) -> None:
    """A name that is somebody else's a moment later: there is no second look-up."""
    site.files["/x.tar"] = tar(member("a"))
    names.say(NAME, "127.0.0.1", "127.0.0.2")
    url = f"http://{NAME}:{site.server.server_port}/x.tar"
    assert fetched(names, url, site.out) == ["fetched", ""]
    assert (site.out / "a").exists() and not trap.touched()


def test_a_repository_comes_from_the_address_that_was_checked(
    names: Resolver, site: Site, trap: Trap
) -> None:
    """git itself looks up nothing: two look-ups are ours, a third would be its."""
    site.repository("r", {"a": "1"})
    names.say(NAME, "127.0.0.1", "127.0.0.1", "127.0.0.2")
    url = f"http://{NAME}:{site.server.server_port}/r.git"
    assert fetched(names, url, site.out) == ["fetched", ""]
    assert (site.out / "a").exists() and not trap.touched()
    assert names.asked.count((NAME, 1)) == 2


def test_a_name_that_changes_before_git_begins_is_refused(
    names: Resolver, site: Site, trap: Trap
) -> None:
    site.repository("r", {"a": "1"})
    names.say(NAME, "127.0.0.1", "127.0.0.2")
    url = f"http://{NAME}:{site.server.server_port}/r.git"
    code, _ = fetched(names, url, site.out)
    assert code == "source_forbidden" and not trap.touched()


def test_ssh_goes_to_the_address_that_was_checked(
    names: Resolver, site: Site, trap: Trap, tmp_path: Path
) -> None:
    came = []
    checked = socket.create_server(("127.0.0.3", site.server.server_port))

    def hang_up() -> None:
        with contextlib.suppress(OSError):  # closed: nobody came
            with checked.accept()[0] as sock:
                came.append(sock.getpeername())

    threading.Thread(target=hang_up, daemon=True).start()
    names.say(NAME, "127.0.0.3", "127.0.0.2")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    url = f"ssh://git@{NAME}:{site.server.server_port}/r.git"
    code, _ = fetched(names, url, site.out, "127.0.0.3/32", key=str(key))
    touched = trap.touched()
    with contextlib.suppress(OSError):
        checked.shutdown(socket.SHUT_RDWR)
    checked.close()
    assert code == "fetch_failed" and came and not touched


# --- redirects ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["x.tar", "x.git", "x"])
@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.2:{port}", "http://[::ffff:127.0.0.2]:{port}", "http://2130706434:{port}",
        "//127.0.0.2:{port}", "http://127.0.0.1:{other}", "https://127.0.0.2",
        "http://127.0.0.1:{port}@127.0.0.2:{port}", "http://169.254.169.254/latest", "ftp://x.org",
        "file:///etc", "gopher://127.0.0.2:{port}", "ssh://git@127.0.0.2:{port}", "\\\\127.0.0.2",
    ],
)  # fmt: skip
def test_each_redirect_is_checked(site: Site, trap: Trap, target: str, path: str) -> None:
    other = Trap("127.0.0.1", 0)
    at = other._socket.getsockname()[1]
    site.redirects["/first"] = "/second"
    site.redirects["/second"] = target.format(port=site.server.server_port, other=at)
    with contextlib.closing(other), pytest.raises((SourceForbidden, BadSource)):
        site.fetch(f"/first/{path}", policy=Policy((site.netloc,)))
    assert not trap.touched() and site.left() == []


def test_git_itself_follows_no_redirect(site: Site, trap: Trap) -> None:
    """The first answer leads nowhere, so all was checked; the next one, to git, leads away."""
    site.repository("r", {"a": "1"})
    away = f"http://127.0.0.2:{site.server.server_port}/r.git/git-upload-pack"
    site.redirects["/r.git/git-upload-pack"] = away
    with pytest.raises(FetchFailed):
        site.fetch("/r.git")
    assert not trap.touched() and site.left() == []


@pytest.mark.parametrize("path", ["/r.git", "/x.tar"])
def test_a_redirect_takes_no_credentials_along(
    site: Site, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Site(tmp_path / "other")
    other.repository("r", {"a": "1"})
    other.files["/x.tar"] = tar(member("a"))
    site.redirects[path] = other.url + path
    seen: list[tuple[int, str | None]] = []
    real = Handler.do_GET

    def get(self: Handler) -> None:
        seen.append((self.server.server_port, self.headers.get("Authorization")))
        real(self)

    monkeypatch.setattr(Handler, "do_GET", get)
    monkeypatch.setattr(Handler, "do_POST", get)
    site.fetch(path, "me:s3cret@")
    other.close()
    ours = {sent for port, sent in seen if port == site.server.server_port}
    theirs = {sent for port, sent in seen if port == other.server.server_port}
    assert ours != {None} and theirs == {None}


def test_a_redirect_with_odd_text_is_an_error_of_ours(site: Site) -> None:
    for target in ("http://ü/x", "/ü\x1b[2J", "http://[", "http://x:99999/", "http://a..b/", "é"):
        site.redirects["/odd"] = target
        with pytest.raises(DockboxError) as caught:
            site.fetch("/odd/x.tar")
        assert caught.value.message.isprintable()
