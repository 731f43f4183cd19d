"""A browser's session: its cookie, and that no other site's page can use it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
import websocket

from ..support.callers import Caller
from ..support.operator import operate
from ..support.run import Run
from ..support.server import Server
from ..support.site import Site

SETTINGS = {"auth": "token", "idle_timeout": 600, "allowed_origins": "https://pages.example"}
EVIL = "https://evil.example"


@pytest.fixture
def browser(shared: Server, callers: list[Caller]) -> requests.Session:
    """Logged in as ann."""
    session = requests.Session()
    answer = session.post(
        f"{shared.url}/v1/session", json={"token": callers[0].text}, headers={"Origin": shared.url}
    )
    assert answer.status_code == 201 and answer.json()["token"] == callers[0].id
    return session


def cookie(browser: requests.Session) -> str:
    return "; ".join(f"{one.name}={one.value}" for one in browser.cookies)


def upgraded(server: Server, id: str, browser: requests.Session, origin: str | None) -> int:
    """The status of a WebSocket's handshake with the cookie."""
    address = f"ws://127.0.0.1:{server.port}/v1/dockbox/ws/{id}"
    options = {"suppress_origin": True} if origin is None else {"origin": origin}
    try:
        websocket.create_connection(address, 10, cookie=cookie(browser), **options).close()
    except websocket.WebSocketBadStatusException as refused:
        return int(refused.status_code)
    return 101


def test_the_cookie_is_for_this_server_alone_and_for_no_script(
    shared: Server, callers: list[Caller]
) -> None:
    answer = shared.post("/v1/session", json={"token": callers[0].text})
    set_cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(set_cookie.split("; "))
    assert "Domain" not in set_cookie and "Max-Age=604800" in set_cookie
    assert callers[0].text.split("_", 2)[2] not in set_cookie + answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_wrong_token_does_not_log_in(shared: Server) -> None:
    for body in ({"token": "dbx_wrong"}, {"token": ""}):
        answer = shared.post("/v1/session", json=body)
        assert answer.status_code == 401 and "Set-Cookie" not in answer.headers
    for bad in ({}, {"token": 1}, {"token": "x", "more": 1}):
        assert shared.post("/v1/session", json=bad).status_code == 400


def test_who_is_logged_in_does_what_the_token_may_until_logging_out(
    shared: Server, browser: requests.Session, site: Site, callers: list[Caller]
) -> None:
    home = {"Origin": shared.url}
    url = site.repository("project", {"main.py": "print('hello')\n"})
    made = browser.post(f"{shared.url}/v1/dockbox", json={"url": url}, headers=home)
    assert made.status_code == 201
    id = made.json()["id"]
    assert browser.get(f"{shared.url}/v1/dockbox/{id}").status_code == 200
    assert browser.get(f"{shared.url}/v1/session").json()["token"] == callers[0].id
    assert callers[1].call("GET", f"/v1/dockbox/{id}").status_code == 404
    assert upgraded(shared, id, browser, shared.url) == 101
    kept = cookie(browser)
    assert browser.delete(f"{shared.url}/v1/session", headers=home).status_code == 204
    assert not browser.cookies
    stolen = {"Cookie": kept}
    assert shared.get(f"/v1/dockbox/{id}", headers=stolen).status_code == 401


def test_a_revoked_token_is_logged_out(
    run: Run, shared: Server, browser: requests.Session, callers: list[Caller]
) -> None:
    assert browser.get(f"{shared.url}/v1/session").status_code == 200
    operate(run, shared, "token", "revoke", callers[0].id)
    assert browser.get(f"{shared.url}/v1/session").status_code == 401


def changes(server: Server, id: str) -> dict[str, Callable[..., requests.Response]]:
    """Every kind of request that changes something."""
    at = f"/v1/dockbox/{id}"
    return {
        "create": lambda **more: server.post("/v1/dockbox", json={"url": "x"}, **more),
        "change": lambda **more: server.patch(at, json={"idle_timeout": 9}, **more),
        "stop": lambda **more: server.post(f"{at}/stop", **more),
        "resize": lambda **more: server.post(f"{at}/resize", json={"rows": 9, "cols": 9}, **more),
        "ticket": lambda **more: server.post(f"{at}/ticket", **more),
        "share": lambda **more: server.post(f"{at}/shares", json={"kind": "type"}, **more),
        "unshare": lambda **more: server.delete(f"{at}/shares/x", **more),
        "log out": lambda **more: server.delete("/v1/session", **more),
        "remove": lambda **more: server.delete(at, **more),
    }


def test_nothing_is_changed_with_a_cookie_and_a_foreign_or_no_origin(
    shared: Server, browser: requests.Session, callers: list[Caller], site: Site
) -> None:
    id = callers[0].create(site.repository("project", {"main.py": "print('hello')\n"}))
    for origin in (EVIL, None, "null", f"{shared.url}.evil.example"):
        headers = {"Cookie": cookie(browser)} | ({"Origin": origin} if origin else {})
        for name, change in changes(shared, id).items():
            answer = change(headers=headers)
            assert (name, answer.status_code) == (name, 403)
            assert answer.json()["code"] == "origin_not_allowed"
        assert upgraded(shared, id, browser, origin) == 403
    assert callers[0].call("GET", f"/v1/dockbox/{id}").json()["idle_timeout"] == 600
    assert browser.get(f"{shared.url}/v1/session").status_code == 200


def test_a_form_of_another_site_cannot_post_json(
    shared: Server, browser: requests.Session, callers: list[Caller], site: Site
) -> None:
    id = callers[0].create(site.repository("project", {"main.py": "print('hello')\n"}))
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ):
        headers = {"Cookie": cookie(browser), "Content-Type": kind, "Origin": shared.url}
        answer = shared.patch(f"/v1/dockbox/{id}", data='{"idle_timeout": 9}', headers=headers)
        assert answer.status_code == 400
    assert callers[0].call("GET", f"/v1/dockbox/{id}").json()["idle_timeout"] == 600


def test_no_answer_may_be_read_by_another_sites_page_with_the_cookie(
    shared: Server, browser: requests.Session
) -> None:
    for origin in (EVIL, "https://pages.example"):
        answer = shared.get("/v1/session", headers={"Cookie": cookie(browser), "Origin": origin})
        assert "Access-Control-Allow-Credentials" not in answer.headers
        allowed = answer.headers.get("Access-Control-Allow-Origin")
        assert allowed == (None if origin == EVIL else origin)


def test_a_token_in_the_header_needs_no_origin(
    shared: Server, callers: list[Caller], browser: requests.Session
) -> None:
    headers = {**callers[1].header, "Cookie": cookie(browser)}
    answer = shared.get("/v1/session", headers=headers)
    assert answer.json()["token"] == callers[1].id  # what is said is not what lies around
    assert shared.post("/v1/dockbox", json={}, headers=headers).status_code == 400
