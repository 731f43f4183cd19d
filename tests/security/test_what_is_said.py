"""Answers and logs: who did what, no secret, no foreign control character; browsers' headers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..conftest import MakeServer
from ..support.callers import Caller, hello
from ..support.engine import Engine
from ..support.run import ROOT
from ..support.server import Server
from ..support.site import Site
from ..support.terminal import Closed
from ..support.waiting import eventually

SETTINGS = {"auth": "token", "idle_timeout": 600, "log_format": "json"}
PASSWORD = "hunter2-of-the-source"


def trail(server: Server, dockbox: str | None) -> list[dict[str, Any]]:
    """The audit trail of a dockbox; every line of the log is JSON."""
    mine = server.logged(logger="dockbox.audit")
    return [one for one in mine if one.get("dockbox") == dockbox]


def test_the_trail_says_who_did_what_and_from_where(
    shared: Server, callers: list[Caller], site: Site
) -> None:
    ann, bob, root = callers
    id = ann.create(site.repository("project", {"a": "b"}))
    share = ann.call("POST", f"/v1/dockbox/{id}/shares", json={"kind": "type"}).json()
    guest = Caller(shared, share["secret"])
    assert bob.call("POST", f"/v1/dockbox/{id}/stop").status_code == 404
    with ann.connect(id) as first:
        first.run("true")  # or the guest may be the first to be noted
        with hello(shared, id, guest.text) as second:
            first.run("echo here")
            second.read_until(b"here")

    def left() -> bool:
        return [one["message"] for one in trail(shared, id)].count("disconnect") == 2

    eventually(left, 10, "both lines")
    ann.call("PATCH", f"/v1/dockbox/{id}", json={"name": f"box-{id[:8]}"})
    root.call("POST", f"/v1/dockbox/{id}/stop")
    ann.call("DELETE", f"/v1/dockbox/{id}/shares/{share['id']}")
    ann.call("DELETE", f"/v1/dockbox/{id}")
    found = trail(shared, id)
    acts = [(one["message"], one.get("token"), one.get("share")) for one in found]
    assert [act for act in acts if act[0] != "disconnect"] == [
        ("create", ann.id, None), ("created", None, None), ("share", ann.id, None),
        ("connect", ann.id, None), ("connect", None, guest.id), ("change", ann.id, None),
        ("stop", root.id, None), ("unshare", ann.id, None), ("delete", ann.id, None),
    ]  # fmt: skip
    assert {("disconnect", ann.id, None), ("disconnect", None, guest.id)} <= set(acts)
    assert {one["address"] for one in found if one["message"] != "created"} == {"127.0.0.1"}
    shared.post("/v1/session", json={"token": bob.text})
    assert (trail(shared, None)[-1]["message"], trail(shared, None)[-1]["token"]) == (
        "log in", bob.id,
    )  # fmt: skip


def test_a_stop_by_the_queue_is_in_the_trail(
    shared: Server, callers: list[Caller], site: Site
) -> None:
    id = callers[0].create(site.repository("project", {"a": "b"}))
    callers[0].call("PATCH", f"/v1/dockbox/{id}", json={"idle_timeout": 0})
    with callers[0].connect(id) as terminal:
        terminal.run("true")

    def stopped() -> bool:
        return bool(callers[0].call("GET", f"/v1/dockbox/{id}").json()["state"] == "stopped")

    eventually(stopped, 30, "the stop")
    assert {"stop": "queue"}.items() <= {
        one["message"]: one.get("by") for one in trail(shared, id)
    }.items()


def test_no_secret_is_said_or_kept_anywhere(
    shared: Server, callers: list[Caller], site: Site, engine: Engine
) -> None:
    ann = callers[0]
    url = site.repository("project", {"a": "b"})
    with_password = url.replace("://", f"://me:{PASSWORD}@")
    made = ann.call("POST", "/v1/dockbox", json={"url": with_password})
    id = made.json()["id"]
    wrong = [
        ann.call("POST", "/v1/dockbox", json={"url": one})
        for one in (
            with_password + "-missing", f"http://me:{PASSWORD}@127.0.0.1:1/x.git",
            f"ftp://me:{PASSWORD}@host/x", f"https://me:{PASSWORD}@192.168.0.1/x.git",
            f"{url}?token={PASSWORD}&ref=nowhere",
        )
    ]  # fmt: skip
    ticket = ann.call("POST", f"/v1/dockbox/{id}/ticket").json()["ticket"]
    share = ann.call("POST", f"/v1/dockbox/{id}/shares", json={"kind": "view"}).json()["secret"]
    cookie = shared.post("/v1/session", json={"token": ann.text}).cookies["dockbox_session"]
    shared.get("/v1/dockbox", headers={"Authorization": f"Bearer {ann.text}x"})
    with shared.connect(id, f"ticket={ticket}") as terminal:
        inside = terminal.run("env; cat /app/.git/config /proc/*/cmdline")
    with pytest.raises(Closed):
        hello(shared, "none", ann.text).read_until(b"# ")
    said = [answer.text for answer in (made, ann.call("GET", "/v1/dockbox"), *wrong)]
    inspected = json.dumps(engine.client().api.inspect_container(made.json()["container_id"]))
    database = b"".join(path.read_bytes() for path in _database(shared))
    for secret in (PASSWORD, ann.text.split("_", 2)[2], ticket, share.split("_", 2)[2], cookie):
        assert secret not in shared.log()
        assert secret not in inside and secret not in inspected
        assert not [text for text in said if secret in text]
        assert secret.encode() not in database


def _database(server: Server) -> list[Any]:
    return list((ROOT / "instance").glob(f"{server.settings['DATABASE_NAME']}.db*"))


def test_what_a_request_says_cannot_forge_a_line_of_the_log(make_server: MakeServer) -> None:
    # a second worker would tell of its own start at any time
    server = make_server(log_format="text", auth="token", web_concurrency=1)
    before = server.log().count("\n")
    for path in (
        "/v1/dockbox/%0a2026-01-01 INFO dockbox.audit: delete",
        "/v1/dockbox/%1b[2J%e2%80%ae",
    ):
        assert server.get(path).status_code == 401
    log = server.log()
    assert log.count("\n") == before + 2 and log.replace("\n", "").isprintable()
    assert "\\n2026-01-01" in log and "\\x1b[2J\\u202e" in log


@pytest.mark.parametrize("path", ["/", "/health", "/v1/dockbox", "/nowhere", "/v1/dockbox/ws/x"])
def test_browsers_are_told_to_do_nothing_with_an_answer(shared: Server, path: str) -> None:
    headers = shared.get(path).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in headers  # not over plain HTTP


def test_an_open_server_in_production_says_so_once(make_server: MakeServer) -> None:
    server = make_server()  # whose start brings the tables up to date
    server.stop()
    server.settings |= {"ENVIRONMENT": "production", "AUTH": "none"}
    server.start()
    assert server.log().count("AUTH=none: whoever reaches this port may do everything") == 1
