"""With ``AUTH=token``: who gets in, sees what, and until when."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dockbox.auth.guard import NEEDS, Need

from ..support.callers import HELLO, Caller, hello, refusal
from ..support.operator import operate
from ..support.run import ROOT, Run
from ..support.server import Server
from ..support.site import Site
from ..support.terminal import Closed

SETTINGS = {"auth": "token", "idle_timeout": 600}


@pytest.fixture
def server(shared: Server) -> Server:
    return shared


@pytest.fixture
def url(site: Site) -> str:
    return site.repository("project", {"main.py": "print('hello')\n"})


# --- routes ---------------------------------------------------------------------------------


def test_for_each_route_there_is_a_decision_who_may_call_it(run: Run, server: Server) -> None:
    code = (
        "import json; from wsgi import app; rules = app.url_map.iter_rules();"
        "print(json.dumps([[r.endpoint, r.rule, sorted(r.methods)] for r in rules]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=run.environment(**server.settings),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    rules = json.loads(found.stdout)
    assert {endpoint for endpoint, _, _ in rules} == set(NEEDS)
    for endpoint, rule, methods in rules:
        if NEEDS[endpoint] is Need.TERMINAL:
            continue
        path = rule.replace("<key>", "some").replace("<share>", "some")
        for method in set(methods) - {"OPTIONS", "HEAD"}:
            answer = server.request(method, path)
            refused = answer.status_code in (401, 403)
            assert refused is (NEEDS[endpoint] is not Need.NOTHING), (method, path)
            if answer.status_code == 401:
                assert answer.headers["WWW-Authenticate"] == "Bearer"
                assert answer.json()["code"] == "unauthorized"


def test_what_is_no_valid_token_is_401(server: Server, callers: list[Caller]) -> None:
    text = callers[0].text
    for header in (
        "",
        "Bearer",
        "Bearer ",
        f"Basic {text}",
        text,
        f"Bearer {text}x",
        "Bearer \xe9",
    ):
        answer = server.get("/v1/dockbox", headers={"Authorization": header.encode("latin-1")})
        assert answer.status_code == 401, header
    assert server.get("/v1/dockbox", headers={"Authorization": f"bearer {text}"}).status_code == 200


def test_everyone_sees_what_is_their_own_and_an_admin_all(
    server: Server, callers: list[Caller], url: str
) -> None:
    ann, bob, root = callers
    hers, his = ann.create(url), bob.create(url)
    for method, path in (
        ("GET", ""), ("PATCH", ""), ("POST", "/stop"), ("POST", "/resize"), ("GET", "/events"),
        ("POST", "/ticket"), ("DELETE", ""),
    ):  # fmt: skip
        answer = bob.call(method, f"/v1/dockbox/{hers}{path}", json={"rows": 9, "cols": 9})
        assert (method, path, answer.status_code) == (method, path, 404) or (
            path == ""
            and (
                method == "PATCH" and answer.status_code == 400  # it has no such fields
            )
        )
    assert bob.call("PATCH", f"/v1/dockbox/{hers}", json={"idle_timeout": 5}).status_code == 404
    assert refusal(server, hers, headers=(f"Authorization: Bearer {bob.text}",)) == 404

    def listed(caller: Caller) -> set[str]:
        return {box["id"] for box in caller.call("GET", "/v1/dockbox").json()["items"]}

    assert (listed(ann), listed(bob)) == ({hers}, {his})
    assert {hers, his} <= listed(root)
    assert root.call("GET", f"/v1/dockbox/{hers}").status_code == 200
    assert root.call("GET", "/metrics").status_code == 200
    assert ann.call("GET", "/metrics").status_code == 403


# --- terminals ------------------------------------------------------------------------------


def test_a_terminal_takes_a_token_a_ticket_or_the_first_message(
    server: Server, callers: list[Caller], url: str
) -> None:
    ann, bob, _ = callers
    id, other = ann.create(url), ann.create(url)
    with ann.connect(id) as terminal:
        assert terminal.run("echo token") == "token\n"
    assert refusal(server, id) == 401

    ticket = ann.call("POST", f"/v1/dockbox/{id}/ticket").json()["ticket"]
    with server.connect(id, f"ticket={ticket}") as terminal:
        assert terminal.run("echo ticket") == "ticket\n"
    assert refusal(server, id, f"ticket={ticket}") == 401  # it is used up
    elsewhere = ann.call("POST", f"/v1/dockbox/{id}/ticket").json()["ticket"]
    assert refusal(server, other, f"ticket={elsewhere}") == 404

    terminal = hello(server, id, ann.text)
    terminal.read_until(b"# ")
    terminal.socket.send_binary(b"0echo big | wc -c #" + b"x" * 8000 + b"\r")  # now it may
    terminal.read_until(b"4\r\n")
    for box, token in ((id, bob.text), (id, ""), (id, "x"), ("no-such-box", ann.text)):
        with pytest.raises(Closed) as closed:
            hello(server, box, token).read_until(b"# ")
        assert closed.value.code == 1008


def test_who_has_not_shown_a_token_may_not_say_much_nor_wait_long(
    server: Server, callers: list[Caller], url: str
) -> None:
    id = callers[0].create(url)
    with server.connect(id, subprotocols=["tty"]) as silent:
        with server.connect(id, subprotocols=["tty"]) as long:
            long.socket.send(HELLO % ("x" * 5000))
            assert long.close_code()[0] == 1009
        assert callers[0].call("GET", f"/v1/dockbox/{id}").json()["connections"] == 0
        assert silent.close_code(20) == (1008, "No token came.")


def test_a_ticket_is_not_used_up_by_a_request_that_is_refused_anyway(
    server: Server, callers: list[Caller], url: str
) -> None:
    id = callers[0].create(url)
    ticket = callers[0].call("POST", f"/v1/dockbox/{id}/ticket").json()["ticket"]
    assert refusal(server, id, f"ticket={ticket}&rows=no&cols=80") == 400
    with server.connect(id, f"ticket={ticket}") as terminal:
        assert terminal.run("echo in") == "in\n"


def test_whose_token_is_revoked_is_sent_away_and_nobody_else(
    run: Run, server: Server, callers: list[Caller], url: str
) -> None:
    ann, _, root = callers
    id = ann.create(url)
    with ann.connect(id) as hers, hello(server, id, ann.text) as too, root.connect(id) as stays:
        hers.run("echo here")
        too.read_until(b"here")
        assert operate(run, server, "token", "revoke", ann.id).returncode == 0
        for terminal in (hers, too):
            assert terminal.close_code(20) == (1008, "The token was revoked, or has expired.")
        assert stays.run("echo here") == "here\n"
    assert ann.call("GET", f"/v1/dockbox/{id}").status_code == 401
    assert root.call("GET", f"/v1/dockbox/{id}").json()["state"] == "running"


# --- the operator's command -------------------------------------------------------------------


def test_an_operator_lists_and_revokes_tokens_and_never_sees_secrets(
    run: Run, server: Server, callers: list[Caller]
) -> None:
    ann, bob, _ = callers
    operate(run, server, "token", "revoke", bob.id)
    for listed in (
        operate(run, server, "token", "list"),
        operate(run, server, "token", "list", "--json"),
    ):
        assert listed.returncode == 0 and ann.id in listed.stdout and bob.id in listed.stdout
        assert ann.text.split("_", 2)[2] not in listed.stdout
    found = {one["id"]: one for one in json.loads(listed.stdout)}
    assert found[ann.id]["name"] == "ann" and found[ann.id]["expires_at"]
    assert found[bob.id]["revoked_at"] and not found[ann.id]["revoked_at"]
    again = operate(run, server, "token", "revoke", bob.id)
    assert again.returncode == 1 and "no such token" in again.stderr
