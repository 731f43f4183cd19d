"""Shares: what their holders see and may do, and that it ends."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.callers import HELLO, Caller, hello, refusal
from ..support.internals import Rows
from ..support.operator import operate
from ..support.run import Run
from ..support.site import Site
from ..support.terminal import Closed, Terminal
from ..support.waiting import eventually

SETTINGS = {"auth": "token", "idle_timeout": 600}


@pytest.fixture
def id(callers: list[Caller], site: Site) -> str:
    return callers[0].create(site.repository("project", {"main.py": "print('hello')\n"}))


def share(caller: Caller, id: str, kind: str = "view", **more: Any) -> dict[str, Any]:
    answer = caller.call("POST", f"/v1/dockbox/{id}/shares", json={"kind": kind, **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def holder(caller: Caller, id: str, kind: str = "view") -> Caller:
    """Who has a share of ``caller``'s dockbox, and nothing else."""
    return Caller(caller.server, str(share(caller, id, kind)["secret"]))


def open_tty(guest: Caller, id: str, rows: int) -> Terminal:
    """A terminal of ttyd's protocol, by a ticket; its size is told, and ``rows`` small."""
    ticket = guest.call("POST", f"/v1/dockbox/{id}/ticket").json()["ticket"]
    terminal = guest.server.connect(id, f"ticket={ticket}", subprotocols=["tty"])
    terminal.socket.send(HELLO.replace("24", str(rows)) % "")
    return terminal


def own_size(owner: Terminal) -> None:
    """Wait until the terminal is as large as the owner's: that is set a moment after it came."""

    def set() -> bool:
        owner.socket.send_binary(b"0stty size\r")
        return b"24 80" in owner.read_for(0.3)

    eventually(set, 10, "the owner's size")


def test_who_views_sees_all_and_neither_types_nor_resizes(callers: list[Caller], id: str) -> None:
    ann = callers[0]
    viewer = holder(ann, id, "view")
    owner = hello(ann.server, id, ann.text)
    owner.read_until(b"# ")
    raw = ann.server.connect(id, "rows=5&cols=20", [f"Authorization: Bearer {viewer.text}"])
    with raw, open_tty(viewer, id, rows=7) as tty:
        tty.read_until(b"# ")
        for typed in (b"echo evil-tty\r",):
            tty.socket.send_binary(b"0" + typed)
            tty.socket.send_binary(b'1{"columns": 30, "rows": 6}')
            raw.send(b"echo evil-raw\r")
        own_size(owner)
        # what viewers sent is before this in no queue: it was thrown away
        owner.socket.send_binary(b"0stty size; echo done-$((6*7))\r")
        for terminal in (owner, raw, tty):
            seen = terminal.read_until(b"done-42")
            assert b"24 80" in seen and b"evil" not in seen
        assert b"evil" not in raw.read_for(0.5)
        tty.socket.send_binary(b"2")  # a pause is the viewer's own affair
        owner.socket.send_binary(b"0echo more\r")
        owner.read_until(b"more\r\n")
    owner.close()


def test_who_views_has_no_size_before_the_shell_either(callers: list[Caller], id: str) -> None:
    ann = callers[0]
    viewer = holder(ann, id, "view")
    with open_tty(viewer, id, rows=7) as first:
        first.socket.send_binary(b"0echo early\r")
        first.read_until(b"# ")
        with hello(ann.server, id, ann.text) as owner:
            owner.read_until(b"# ")
            own_size(owner)
            owner.socket.send_binary(b"0stty size; echo done-$((6*7))\r")
            seen = owner.read_until(b"done-42")
            assert b"24 80" in seen and b"early" not in first.buffer + seen


def test_who_types_types_and_has_a_size(callers: list[Caller], id: str) -> None:
    ann = callers[0]
    guest = holder(ann, id, "type")
    with hello(ann.server, id, ann.text) as owner, open_tty(guest, id, rows=20) as typist:
        owner.read_until(b"# ")
        typist.read_until(b"# ")

        def resized() -> bool:
            typist.socket.send_binary(b"0stty size\r")
            return b"20 80" in owner.read_for(0.3)

        eventually(resized, 10, "the smaller size")
    with hello(ann.server, id, guest.text) as by_hello:
        by_hello.socket.send_binary(b"0echo by-$((6*7))\r")
        by_hello.read_until(b"by-42")


def test_a_share_is_for_one_terminal_and_for_nothing_else(
    callers: list[Caller], id: str, site: Site
) -> None:
    ann = callers[0]
    other = ann.create(site.repository("other", {"a": "b"}))
    for kind in ("view", "type"):
        guest = holder(ann, id, kind)
        at = f"/v1/dockbox/{id}"
        assert guest.call("GET", at).status_code == 200
        for method, path in (
            ("PATCH", at), ("DELETE", at), ("POST", f"{at}/stop"), ("POST", f"{at}/resize"),
            ("GET", f"{at}/shares"), ("POST", f"{at}/shares"), ("DELETE", f"{at}/shares/x"),
            ("GET", "/v1/dockbox"), ("POST", "/v1/dockbox"), ("GET", "/metrics"),
            ("GET", "/v1/session"),
        ):  # fmt: skip
            answer = guest.call(method, path, json={})
            assert (method, path, answer.status_code) == (method, path, 403)
        for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/ticket")):
            assert guest.call(method, f"/v1/dockbox/{other}{path}").status_code == 404
        assert refusal(ann.server, other, headers=(f"Authorization: Bearer {guest.text}",)) == 404
        assert ann.server.post("/v1/session", json={"token": guest.text}).status_code == 401
        with pytest.raises(Closed) as closed:
            hello(ann.server, other, guest.text).read_until(b"# ")
        assert closed.value.code == 1008


def test_shares_are_listed_without_secrets_and_only_for_who_has_the_dockbox(
    callers: list[Caller], id: str
) -> None:
    ann, bob, root = callers
    made = [share(ann, id, "view", expires_in=60), share(root, id, "type")]
    assert made[0]["link"].endswith(f"/{id}#share={made[0]['secret']}")
    answer = ann.call("GET", f"/v1/dockbox/{id}/shares")
    assert [one["id"] for one in answer.json()["items"]] == [made[1]["id"], made[0]["id"]]
    assert [one["kind"] for one in answer.json()["items"]] == ["type", "view"]
    assert made[0]["secret"].split("_", 2)[2] not in answer.text
    assert bob.call("GET", f"/v1/dockbox/{id}/shares").status_code == 404
    assert bob.call("POST", f"/v1/dockbox/{id}/shares", json={"kind": "view"}).status_code == 404
    mine = f"/v1/dockbox/{id}/shares/{made[0]['id']}"
    assert bob.call("DELETE", mine).status_code == 404
    assert ann.call("DELETE", mine).status_code == 204
    assert ann.call("DELETE", mine).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {}, {"kind": "admin"}, {"kind": "view", "expires_in": 0}, {"kind": ["view"]},
        {"kind": "view", "expires_in": "1"}, {"kind": "view", "expires_in": 10**9},
        {"kind": "view", "expires_in": True}, {"kind": "view", "x": 1},
    ],
)  # fmt: skip
def test_nonsense_is_400(callers: list[Caller], id: str, body: dict[str, Any]) -> None:
    assert callers[0].call("POST", f"/v1/dockbox/{id}/shares", json=body).status_code == 400


@pytest.mark.parametrize("how", ["share", "token", "time"])
def test_when_a_share_ends_its_terminals_and_events_end(
    run: Run, callers: list[Caller], id: str, how: str
) -> None:
    ann, _, root = callers
    made = share(ann, id, "view", expires_in=600)
    guest = Caller(ann.server, made["secret"])
    events = guest.call("GET", f"/v1/dockbox/{id}/events", stream=True)
    with root.connect(id) as stays, guest.connect(id) as terminal:
        stays.run("echo here")
        terminal.read_until(b"here")
        if how == "share":
            assert ann.call("DELETE", f"/v1/dockbox/{id}/shares/{made['id']}").status_code == 204
        elif how == "token":
            assert operate(run, ann.server, "token", "revoke", ann.id).returncode == 0
        else:  # as if it had been made so much earlier: what is above takes its time
            rows = Rows(ann.server.settings)
            rows("UPDATE shares SET expires_at = expires_at - 600 WHERE id = :id", id=made["id"])
        assert terminal.close_code(20) == (1008, "This is not shared with you any more.")
        assert stays.run("echo still") == "still\n"
    with events:  # until it ends
        assert b"event: state" in b"".join(events.iter_content(None))
    assert guest.call("GET", f"/v1/dockbox/{id}").status_code == 401
    assert refusal(ann.server, id, headers=(f"Authorization: Bearer {guest.text}",)) == 401


def test_events_of_a_revoked_token_end(run: Run, callers: list[Caller], id: str) -> None:
    ann = callers[0]
    with ann.call("GET", f"/v1/dockbox/{id}/events", stream=True) as events:
        assert operate(run, ann.server, "token", "revoke", ann.id).returncode == 0
        assert b"event: state" in b"".join(events.iter_content(None))
