"""The main job through deploy/nginx.conf: TLS, a token, PostgreSQL, and nginx between all of it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest

from ..conftest import SERVERS
from ..support.callers import Caller, make_callers
from ..support.engine import Engine
from ..support.events import Events
from ..support.nginx import Nginx
from ..support.postgres import Postgres
from ..support.run import Run
from ..support.waiting import eventually
from ..support.world import World

pytestmark = pytest.mark.postgres
CLIENT = "127.0.0.5"  # nginx's own address is 127.0.0.1
MOST = 4 * 2**20  # bytes of an upload; nginx itself would take 1 MiB


@pytest.fixture(scope="module")
def whole(
    run: Run, engine: Engine, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, Caller]]:
    world = World(
        run, engine, tmp_path_factory.mktemp("tls"), postgres.database(), web_concurrency=1,
        auth="token", proxies=1, upload_max_bytes=MOST,
    )  # fmt: skip
    nginx = Nginx(run, world.server.port)
    try:
        world.server.start()
        nginx.start()
        ann, _, _ = make_callers(world.server)
        yield world, Caller(nginx, ann.text)
    finally:
        nginx.close()
        world.close()


@pytest.fixture
def world(whole: tuple[World, Caller], request: pytest.FixtureRequest) -> World:
    request.node.stash[SERVERS] = [whole[0].server]
    return whole[0]


@pytest.fixture
def ann(world: World, whole: tuple[World, Caller]) -> Caller:
    return whole[1]


@pytest.fixture
def nginx(ann: Caller) -> Nginx:
    assert isinstance(ann.server, Nginx)
    return ann.server


def test_through_nginx_one_creates_types_watches_and_sends_files(world: World, ann: Caller) -> None:
    id = ann.create(world.archive())
    with Events(ann.server, id, headers=ann.header) as events, ann.connect(id) as terminal:
        assert terminal.run("ls", timeout=30) == "main.py\n"
        events.until("state", state="running")
        content = bytes(range(256)) * (MOST // 256)
        path = f"/v1/dockbox/{id}/files/big"
        assert ann.call("PUT", path, data=content).status_code == 201
        assert terminal.run("wc -c <big") == f"{MOST}\n"
        assert ann.call("GET", path).content == content
        assert ann.call("POST", f"/v1/dockbox/{id}/stop").status_code == 200
        events.until("state", state="stopped")  # while the stream goes on
        assert terminal.close_code() == (1000, "The dockbox was stopped.")


def test_an_upload_that_is_too_large_is_refused_before_it_is_sent(
    world: World, ann: Caller, nginx: Nginx
) -> None:
    id = ann.create(world.archive())
    client = http.client.HTTPSConnection(
        "127.0.0.1", nginx.port, timeout=20, context=nginx.context()
    )
    head = {**ann.header, "Content-Length": str(MOST + 1)}
    client.request("PUT", f"/v1/dockbox/{id}/files/big", headers=head)
    answer = client.getresponse()
    assert (answer.status, json.load(answer)["code"]) == (413, "payload_too_large")
    client.close()


def test_the_audit_trail_has_the_clients_own_address(
    world: World, ann: Caller, nginx: Nginx
) -> None:
    client = http.client.HTTPSConnection(
        "127.0.0.1", nginx.port, timeout=30, source_address=(CLIENT, 0), context=nginx.context()
    )
    head = {**ann.header, "X-Forwarded-For": "203.0.113.9", "Prefer": "respond-async"}
    client.request("POST", "/v1/dockbox", json.dumps({"url": world.archive()}), head)
    answer = client.getresponse()
    assert answer.status == 202
    id = json.load(answer)["id"]
    assert answer.headers["Strict-Transport-Security"]
    client.close()
    lines = [line for line in world.server.log().splitlines() if "dockbox.audit" in line]
    [line] = [line for line in lines if id in line and "create " in line]
    assert CLIENT in line and "203.0.113.9" not in line


def test_a_browser_on_the_page_may_connect_and_its_ticket_is_not_in_nginx_log(
    world: World, ann: Caller, nginx: Nginx
) -> None:
    id = ann.create(world.archive())
    ticket = ann.call("POST", f"/v1/dockbox/{id}/ticket").json()["ticket"]
    with nginx.connect(id, f"ticket={ticket}", origin=nginx.url) as terminal:
        assert terminal.run("echo here", timeout=30) == "here\n"
    eventually(lambda: f"ws/{id} 101" in nginx.access_log.read_text(), 10, "the line")
    assert "ticket=" not in nginx.access_log.read_text()


def test_without_tls_there_is_only_the_way_to_it(nginx: Nginx) -> None:
    answer = nginx.plain.post("/v1/dockbox?x=1", json={}, allow_redirects=False)
    assert answer.status_code == 308
    assert answer.headers["Location"] == "https://127.0.0.1/v1/dockbox?x=1"


def test_while_the_server_is_away_the_answer_is_in_the_form_of_the_api(
    world: World, nginx: Nginx
) -> None:
    world.server.stop()
    answer = nginx.get("/v1/dockbox")
    assert (answer.status_code, answer.json()["code"]) == (503, "server_unavailable")
    assert answer.headers["Retry-After"] == "5"
    world.server.start()
    assert nginx.get("/health").text == "Server Functional!"
