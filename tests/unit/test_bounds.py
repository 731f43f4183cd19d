"""Whose address a request has: not the one that the client would like."""

from __future__ import annotations

import pytest
from flask import Flask, request

from dockbox.blueprints.bounds import address
from dockbox.proxies import believe

PEER = "10.0.0.9"  # who has connected: the client, or the nearest proxy


def seen(proxies: int, told: str | None, peer: str = PEER) -> str:
    """The address of a request with ``told`` in X-Forwarded-For, behind so many proxies."""
    app = Flask(__name__)
    app.add_url_rule("/", "look", lambda: address(request))
    believe(app, proxies)
    headers = {"X-Forwarded-For": told} if told is not None else {}
    answer = app.test_client().get("/", headers=headers, environ_base={"REMOTE_ADDR": peer})
    return answer.text


@pytest.mark.parametrize(
    ("proxies", "told", "expected"),
    [
        (0, None, PEER),
        (0, "1.2.3.4", PEER),
        (1, None, PEER),
        (1, "1.2.3.4", "1.2.3.4"),
        (1, "7.7.7.7, 1.2.3.4", "1.2.3.4"),
        (1, "7.7.7.7,,, 1.2.3.4", "1.2.3.4"),
        (2, "1.2.3.4", PEER),  # it came past the first proxy
        (2, "7.7.7.7, 1.2.3.4, 10.0.0.1", "1.2.3.4"),
        (2, '7.7.7.7, ", 1.2.3.4, 10.0.0.1', "1.2.3.4"),
        (1, '", 1.2.3.4', "1.2.3.4"),
        (1, '"7.7.7.7", "x, 1.2.3.4', "1.2.3.4"),
        (1, '\\", 1.2.3.4', "1.2.3.4"),
        (1, "7.7.7.7, unknown", PEER),
        (1, "x" * 5000, PEER),
    ],
)
def test_a_client_cannot_choose_its_address(proxies: int, told: str | None, expected: str) -> None:
    assert seen(proxies, told) == expected


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("", "unknown"),
    ],
)
def test_an_ipv6_address_counts_as_its_subnet(peer: str, expected: str) -> None:
    assert seen(0, None, peer) == expected


def test_a_proxy_tells_the_scheme_but_not_the_host() -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "look", lambda: f"{request.scheme} {request.host}")
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    for proxies, scheme in ((0, "http"), (1, "https")):
        believe(app, proxies)
        assert app.test_client().get("/", headers=headers).text == f"{scheme} localhost"


def test_a_chain_of_proxies_tells_the_scheme_that_the_client_used() -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "look", lambda: request.scheme)
    believe(app, 2)
    client = app.test_client()
    assert client.get("/", headers={"X-Forwarded-Proto": "http, https, http"}).text == "https"
    assert client.get("/", headers={"X-Forwarded-Proto": "https"}).text == "http"
