"""What the API says to those who send nonsense, or may not ask.

On PostgreSQL, which takes fewer kinds of text than SQLite.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
import websocket

from dockbox import EXPOSED

from ..conftest import SERVERS
from ..support.engine import Engine
from ..support.postgres import Postgres
from ..support.run import ROOT, Run
from ..support.server import Server
from ..support.traces import nothing_left
from ..support.world import World

FRIENDS = "https://friend.example, https://other.example:8443"
FRIEND, STRANGER = "https://friend.example", "https://stranger.example"
UNKNOWN = "/v1/dockbox/8c5a2a3e-0e0a-4d7e-9d3b-0f4b3a2f1c11"
ODD = (
    "%00", "a%00b", "%ff%fe", "%F0%9F%90%B3", "..%2f..%2fetc%2fpasswd", "%2e%2e", "a%0ab", "%",
    "';DROP TABLE dockboxes;--", "%25s", "{0}", "%3Cscript%3E", "x" * 5000, "ws", "*", "%20", "~",
)  # fmt: skip
URL = "https://example.invalid/a.git"


@pytest.fixture(scope="module")
def world(run: Run, engine: Engine, postgres: Postgres, tmp_path_factory: Any) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("errors")
    world = World(run, engine, folder, postgres.database(), allowed_origins=FRIENDS)
    world.server.start()
    yield world
    world.close()


@pytest.fixture
def server(request: pytest.FixtureRequest, world: World) -> Server:
    request.node.stash[SERVERS] = [world.server]
    world.clean()
    return world.server


def refused(answer: Any, status: int, code: str = "") -> str:
    """Check an error's shape; its sentence."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert set(body) == {"error", "code"}
    assert body["code"] == (code or body["code"])
    assert body["code"].replace("_", "").isalpha() and body["code"].islower()
    assert body["error"].endswith(".")
    for trace in ("Traceback", 'File "', "Error(", str(ROOT), "sqlalchemy", "\n"):
        assert trace not in body["error"]
    return str(body["error"])


def test_an_unknown_address_is_404(server: Server) -> None:
    for path in ("/nothing", "/v1", "/v1/dockbox/", "/v1/dockbox/a/b", "/health/", "/%00"):
        refused(server.get(path), 404)


def test_an_unknown_dockbox_is_404(server: Server) -> None:
    for method, path in (
        ("GET", UNKNOWN), ("DELETE", UNKNOWN), ("POST", f"{UNKNOWN}/stop"),
        ("GET", f"{UNKNOWN}/events"), ("GET", "/v1/dockbox/nobody"),
    ):  # fmt: skip
        refused(server.request(method, path), 404, "not_found")
    refused(server.patch(UNKNOWN, json={"name": "a"}), 404, "not_found")
    refused(server.post(f"{UNKNOWN}/resize", json={"rows": 9, "cols": 9}), 404, "not_found")
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        server.connect(UNKNOWN.rpartition("/")[2])
    assert caught.value.status_code == 404


@pytest.mark.parametrize("key", ODD)
def test_an_id_with_odd_characters_is_404(server: Server, key: str) -> None:
    for method, path in (
        ("GET", ""), ("DELETE", ""), ("POST", "/stop"), ("GET", "/events")
    ):  # fmt: skip
        answer = server.request(method, f"/v1/dockbox/{key}{path}")
        refused(answer, 414 if len(key) > 4000 else 404)
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        server.connect(key)
    assert caught.value.status_code == (414 if len(key) > 4000 else 404)
    assert json.loads(caught.value.resp_body)["code"] in ("not_found", "uri_too_long")


def test_a_wrong_method_is_405_and_says_which_are_right(server: Server) -> None:
    for method, path, right in (
        ("PUT", "/v1/dockbox", {"GET", "POST"}),
        ("DELETE", "/v1/dockbox", {"GET", "POST"}),
        ("POST", UNKNOWN, {"GET", "PATCH", "DELETE"}),
        ("GET", f"{UNKNOWN}/stop", {"POST"}),
        ("POST", "/health", {"GET"}),
        ("BREW", "/", {"GET"}),
    ):
        answer = server.request(method, path)
        refused(answer, 405, "method_not_allowed")
        allowed = {one.strip() for one in answer.headers["Allow"].split(",")}
        assert right <= allowed <= right | {"HEAD", "OPTIONS"}


def test_a_body_of_10_mb_is_413(server: Server) -> None:
    body = json.dumps({"url": "x" * 10 * 2**20})
    for path in ("/v1/dockbox", f"{UNKNOWN}/resize"):
        refused(server.post(path, data=body), 413, "payload_too_large")
    pieces = (b" " * 65536 for _ in range(160))  # chunked: no length is told
    refused(server.post("/v1/dockbox", data=pieces), 413, "payload_too_large")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"1", b"null", b'"x"', b"\xff\xfe", b"{}", b"[" * 60000, b'{"url": NaN}',
     b'{"url": }', b'{"url": "\\ud800"}', b'{"\\ud800": 1}', b'{"url": ""}'],
    ids=repr,
)  # fmt: skip
def test_a_body_that_is_no_order_is_400(server: Server, body: bytes) -> None:
    for headers in ({}, {"Content-Type": "application/json"}):
        refused(server.post("/v1/dockbox", data=body, headers=headers), 400)


@pytest.mark.parametrize(
    "body",
    [{"url": 1}, {"url": ["a"]}, {"url": None}, {"url": {}}, {"url": True}, {"url": "nonsense"},
     {"url": URL, "ref": 1}, {"url": URL, "ref": "a..b"}, {"url": URL, "ref": "-x"},
     {"url": URL, "ref": "a\0"}, {"url": URL, "subdir": "../x"}, {"url": URL, "subdir": []},
     {"url": URL, "image": 3}, {"url": URL, "name": 4}, {"url": URL, "name": "a b"},
     {"url": URL, "name": "-a"}, {"url": URL, "name": "a" * 64}, {"url": URL, "name": "a\0"},
     {"url": URL, "name": "é"}, {"url": URL, "name": "ws"}, {"url": URL, "name": "a\n"},
     {"url": URL, "name": UNKNOWN[-36:]}, {"url": URL, "idle_timeout": -1},
     {"url": URL, "idle_timeout": "5"}, {"url": URL, "idle_timeout": 1.5},
     {"url": URL, "idle_timeout": True}, {"url": URL, "idle_timeout": 10**30},
     {"url": URL, "nonsense": 1}, {"url": URL, "state": "running"}, {"url": "x" * 5000}],
    ids=lambda body: repr(body)[:60],
)  # fmt: skip
def test_a_field_that_is_wrong_is_400_and_named(
    server: Server, engine: Engine, body: dict[str, Any]
) -> None:
    said = refused(server.post("/v1/dockbox", json=body), 400)
    wrong = next(name for name in body if len(body) == 1 or name != "url")
    words = {"ref": "ref", "subdir": "folder", "url": "url"}.get(wrong, wrong).lower()
    assert words in said.lower() or wrong == "subdir" or "source" in said.lower()
    nothing_left(server, engine, timeout=0)


def test_a_list_that_cannot_be_is_400(server: Server) -> None:
    for query in (
        "limit=0", "limit=-1", "limit=x", "limit=1000000", "limit=1.5", "limit=", "state=nonsense",
        "state=", "after=nonsense", "after=%00", "after=bmFu", "after=%F0%9F%90%B3",
    ):  # fmt: skip
        refused(server.get(f"/v1/dockbox?{query}"), 400, "bad_request")


def test_a_change_that_cannot_be_is_400(server: Server, world: World) -> None:
    box = server.create(world.archive())
    for body in (
        {"name": " "}, {"name": "a/b"}, {"name": 1}, {"idle_timeout": -1}, {"idle_timeout": "x"},
        {"state": "running"}, {"id": "x"}, [], {"idle_timeout": 2**70},
    ):  # fmt: skip
        refused(server.patch(f"/v1/dockbox/{box['id']}", json=body), 400, "bad_request")
    del box["message"]
    assert server.box(box["id"]) == box


def test_what_is_not_http_harms_nobody(server: Server) -> None:
    for words in (
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"x" * 9000 + b"\r\n\r\n",
    ):
        with closing(socket.create_connection(("127.0.0.1", server.port), 10)) as client:
            client.sendall(words)
            answer = b""
            with suppress(OSError):  # it may have hung up on so long a line
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(4096)
            assert b" 200 " not in answer
            assert b"<html" not in answer
    assert server.get("/health").status_code == 200


def test_head_and_options_are_answered(server: Server, world: World) -> None:
    path = f"/v1/dockbox/{server.create(world.archive())['id']}"
    for one in ("/", "/health", "/ready", "/metrics", "/v1/dockbox", path, f"{path}/events"):
        answer = server.request("HEAD", one, timeout=10)
        assert (answer.status_code, answer.content) == (200, b"")
    assert server.request("HEAD", UNKNOWN).status_code == 404
    answer = server.request("OPTIONS", path)
    assert answer.status_code in (200, 204)
    assert {"GET", "PATCH", "DELETE"} <= {w.strip() for w in answer.headers["Allow"].split(",")}


# --- other sites --------------------------------------------------------------------------


def test_a_page_of_an_allowed_origin_may_do_all(server: Server, world: World) -> None:
    origin = {"Origin": FRIEND}
    for method, path in (("POST", "/v1/dockbox"), ("PATCH", UNKNOWN), ("DELETE", UNKNOWN)):
        asked = {
            **origin, "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "content-type, prefer",
        }  # fmt: skip
        answer = server.request("OPTIONS", path, headers=asked)
        assert answer.status_code in (200, 204)
        assert answer.headers["Access-Control-Allow-Origin"] == FRIEND
        assert method in answer.headers["Access-Control-Allow-Methods"]
        named = answer.headers["Access-Control-Allow-Headers"].lower()
        assert "content-type" in named and "prefer" in named
    answer = server.post("/v1/dockbox", json={"url": world.archive()}, headers=origin)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (201, FRIEND)
    assert set(EXPOSED) <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert "Origin" in answer.headers["Vary"]
    with server.connect(answer.json()["id"], origin=FRIEND) as terminal:
        assert terminal.run("echo in", timeout=30) == "in\n"
    answer = server.get(UNKNOWN, headers=origin)  # the page can read errors as well
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (404, FRIEND)


def test_a_page_of_this_server_may_do_all(server: Server, world: World) -> None:
    answer = server.post(
        "/v1/dockbox", json={"url": world.archive()}, headers={"Origin": server.url}
    )
    assert answer.status_code == 201
    with server.connect(answer.json()["id"], origin=server.url) as terminal:
        assert terminal.run("echo in", timeout=30) == "in\n"


@pytest.mark.parametrize("origin", [STRANGER, "null", f"{FRIEND}.evil.example", "nonsense", ""])
def test_a_page_of_another_site_may_do_nothing(server: Server, world: World, origin: str) -> None:
    box = server.create(world.archive())
    path, headers = f"/v1/dockbox/{box['id']}", {"Origin": origin}
    body = {"url": world.archive()}
    for answer in (
        server.post("/v1/dockbox", json=body, headers=headers),
        server.post("/v1/dockbox", data=json.dumps(body), headers=headers),
        server.patch(path, json={"name": "mine"}, headers=headers),
        server.delete(path, headers=headers),
        server.post(f"{path}/stop", headers=headers),
    ):
        refused(answer, 403, "origin_not_allowed")
        assert answer.headers.get("Access-Control-Allow-Origin") not in (origin, "*")
    asked = {**headers, "Access-Control-Request-Method": "POST"}
    for answer in (
        server.request("OPTIONS", path, headers=asked),
        server.get(path, headers=headers),
    ):
        assert answer.headers.get("Access-Control-Allow-Origin") not in (origin, "*")
    with pytest.raises(websocket.WebSocketBadStatusException) as caught:
        server.connect(box["id"], origin=origin or " ")
    assert caught.value.status_code == 403
    assert len(server.get("/v1/dockbox").json()["items"]) == 1
