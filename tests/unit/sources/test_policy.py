"""Which addresses may be connected to."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from dockbox.errors import FetchFailed, SourceForbidden
from dockbox.sources import Policy


def pretend(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def getaddrinfo(*args: Any, **kw: Any) -> list[Any]:
        return [(0, 0, 0, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


PRIVATE = ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
           "0.0.0.0", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "::",
           "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
           "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1",
           "::127.0.0.1", "fec0::1"]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_not_public(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    pretend(monkeypatch, "8.8.8.8", address)
    with pytest.raises(SourceForbidden):
        Policy().resolve("x.org", None, "https")
    assert Policy(("X.org",)).resolve("x.org", None, "https") == ["8.8.8.8", address]


@pytest.mark.parametrize("host", ["0177.0.0.1", "2130706433", "0x7f.1", "127.1", "localhost"])
def test_spellings_of_loopback(host: str) -> None:
    with pytest.raises(SourceForbidden):
        Policy().resolve(host, None, "https")


def test_public(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "8.8.8.8", "2606:4700::1111")
    assert len(Policy().resolve("x.org", None, "https")) == 2
    for port, scheme in ((None, "http"), (8443, "https"), (2222, "ssh"), (None, "ftp")):
        with pytest.raises(SourceForbidden):
            Policy().resolve("x.org", port, scheme)


def test_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "10.0.0.5")
    for allowed in ("10.0.0.0/24", "x.org", "x.org:8080"):
        assert Policy((allowed,)).resolve("x.org", 8080, "http") == ["10.0.0.5"]
    for refused in ("10.0.1.0/24", "y.org", "x.org:81", "org"):
        with pytest.raises(SourceForbidden):
            Policy((refused,)).resolve("x.org", 8080, "http")


def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kw: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(FetchFailed, match=r"The host x\.org cannot be found"):
        Policy().resolve("x.org", None, "https")
