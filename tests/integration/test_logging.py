"""The log of a server that says as much as it can: JSON, every request, and no secret."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from ..support.callers import Caller, hello, make_callers
from ..support.server import Server
from ..support.site import Site
from ..support.terminal import Closed
from ..support.waiting import eventually

SETTINGS = {
    "auth": "token", "log_format": "json", "log_level": "debug", "access_log": "-",
    "proxies": 1, "idle_timeout": 600, "web_concurrency": 1,
    "database_password": "hunter2-of-the-database",  # SQLite needs none, so it is nowhere needed
}  # fmt: skip
PASSWORD = "hunter2-of-somebody"
TRACE = "1-67891233-abcdef012345678912345678"
ID = "X-Request-Id"


@pytest.fixture(scope="module")
def ann(module_server: Server) -> Caller:
    """A user."""
    return make_callers(module_server)[0]


def access(server: Server, **wanted: object) -> dict[str, Any]:
    """The one line about the request that has these fields, once it is there."""
    found = eventually(lambda: server.logged(logger="gunicorn.access", **wanted), 10, str(wanted))
    assert found is not None
    [line] = found
    return line


def raw(server: Server, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(request)
        return client.recv(65536)


def test_each_request_is_a_line_and_its_id_is_in_all_that_it_causes(
    shared: Server, ann: Caller, site: Site
) -> None:
    made = ann.call("POST", "/v1/dockbox", json={"url": site.repository("project", {"a": "b"})})
    id, request = made.json()["id"], made.headers[ID]
    line = access(shared, request=request)
    assert line["ms"] > 0 and line["bytes"] >= len(made.content)
    assert {
        "level": "info", "method": "POST", "route": "/v1/dockbox", "status": 201,
        "address": "127.0.0.1", "dockbox": id, "message": "POST /v1/dockbox",
    }.items() <= line.items()  # fmt: skip
    caused = shared.logged(request=request, dockbox=id)
    # in the request, and in the greenlet that went on with it
    assert {"create", "created"} <= {one["message"] for one in caused}
    assert "debug" in {one["level"] for one in caused}


def test_a_terminal_is_a_line_when_it_is_over(shared: Server, ann: Caller, site: Site) -> None:
    id = ann.create(site.repository("project", {"a": "b"}))
    with ann.connect(id) as terminal:
        terminal.run("true")
    line = access(shared, route="/v1/dockbox/ws/<key>", dockbox=id)
    assert line["status"] == 101 and line["ms"] > 0
    acts = [one["message"] for one in shared.logged(request=line["request"])]
    assert acts.index("connect") < acts.index("disconnect")


def test_a_line_names_no_request_but_its_own(shared: Server, ann: Caller) -> None:
    secret = f"/v1/dockbox/nothing-{PASSWORD}"
    ids = [ann.call("GET", path).headers[ID] for path in ("/v1/dockbox", secret)]
    assert len(set(ids)) == 2
    assert access(shared, request=ids[1])["status"] == 404
    assert "dockbox" not in access(shared, request=ids[1])


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({ID: "from-the-proxy.1"}, "from-the-proxy.1"),
        ({"X-Amzn-Trace-Id": f"Self=1-2-3;Root={TRACE}"}, TRACE),
        ({ID: 'odd"one', "X-Amzn-Trace-Id": f"Root={TRACE}"}, TRACE),
        ({ID: "x" * 129}, None),
        ({ID: "two words"}, None),
        ({"X-Amzn-Trace-Id": "Root=1-2-3"}, None),
        ({}, None),
    ],
)
def test_behind_a_proxy_a_well_formed_id_is_kept(
    shared: Server, headers: dict[str, str], told: str | None
) -> None:
    answer = shared.get("/health", headers=headers)
    if told is None:
        assert len(answer.headers[ID]) == 16
        assert answer.headers[ID] not in headers.values()
    else:
        assert answer.headers[ID] == told


def test_refusals_are_bounded_and_the_rest_is_counted(shared: Server) -> None:
    for _ in range(60):
        assert shared.get("/v1/dockbox").status_code in (401, 429)

    def counted() -> int:
        told = shared.logged(code="unauthorized")
        return sum(one.get("more", 1) for one in told)

    before = len(shared.logged(message="refused", code="unauthorized"))
    assert before <= 40  # 20 in a span, and a span may have ended
    eventually(lambda: counted() >= 60, 20, "all of them in the count")
    assert shared.logged(message="refused, not shown one by one", code="unauthorized")


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (b"GET /?token=%s\r\n\r\n", "InvalidRequestLine"),
        (b"GET / HTTP/1.1\r\nAuthorization %s\r\n\r\n", "InvalidHeader"),
        (b"GET / HTTP/1.1\r\nBad Name %s: x\r\n\r\n", "InvalidHeaderName"),
    ],
)
def test_what_is_no_http_is_a_line_without_what_it_says(
    shared: Server, request_: bytes, kind: str
) -> None:
    assert raw(shared, request_ % PASSWORD.encode()).startswith(b"HTTP/1.1 400")
    assert eventually(lambda: shared.logged(message="refused", code=kind), 10, kind)
    assert PASSWORD not in shared.log()


def test_no_secret_is_in_any_line_wherever_it_was_put(
    shared: Server, ann: Caller, site: Site
) -> None:
    url = site.repository("project", {"a": "b"})
    with_password = url.replace("://", f"://me:{PASSWORD}@")
    id = ann.create(with_password)
    ticket = ann.call("POST", f"/v1/dockbox/{id}/ticket").json()["ticket"]
    share = ann.call("POST", f"/v1/dockbox/{id}/shares", json={"kind": "view"}).json()["secret"]
    cookie = shared.post("/v1/session", json={"token": ann.text}).cookies["dockbox_session"]
    wrong = {"Authorization": f"Bearer {ann.text}x", "Cookie": f"dockbox_session={cookie}x"}
    calls: list[Callable[[], object]] = [
        lambda: shared.get(f"/v1/dockbox?token={PASSWORD}&AuthToken={ann.text}", headers=wrong),
        lambda: shared.get(f"/?url={with_password}&AuthToken={ann.text}"),
        lambda: shared.post("/v1/session", json={"token": f"{ann.text}x", "password": PASSWORD}),
        lambda: shared.post(f"/v1/dockbox?p={PASSWORD}", data=PASSWORD, headers=ann.header),
        lambda: ann.call("POST", "/v1/dockbox", json={"url": with_password + "-missing"}),
        lambda: ann.call("POST", "/v1/dockbox", json={"url": f"ftp://me:{PASSWORD}@host/x"}),
        lambda: ann.call("POST", "/v1/dockbox", json={"url": url, "image": f"a:{PASSWORD}@x"}),
        lambda: ann.call("GET", f"/v1/dockbox/{id}/files/main?ticket={ticket}&x={PASSWORD}"),
        lambda: shared.get(f"/v1/dockbox/ws/{id}?ticket={ticket}x"),
        lambda: shared.get("/health", headers={"Referer": f"http://x/?{PASSWORD}"}),
    ]
    for call in calls:
        call()
    with shared.connect(id, f"ticket={ticket}") as terminal:
        terminal.run("true")
    with pytest.raises(Closed):
        hello(shared, "none", ann.text).read_until(b"# ")
    hello(shared, id, share).close()
    eventually(lambda: len(shared.logged(route="/v1/dockbox/ws/<key>")) >= 2, 10, "the terminals")
    log = shared.log()
    secrets = (PASSWORD, "hunter2", ann.text.split("_", 2)[2], ticket, share.split("_", 2)[2])
    assert [secret for secret in (*secrets, cookie) if secret in log] == []
