"""No more than may be: creates a minute, wrong tokens, what runs, who is connected."""

from __future__ import annotations

from functools import partial

import pytest

from ..conftest import MakeServer
from ..support.engine import Engine
from ..support.operator import new_token
from ..support.relay import Relay
from ..support.run import Run
from ..support.site import Site
from ..support.waiting import eventually
from .bounded import Answer, at_once, bearer, boxes, come, refusal, statuses

# --- creates a minute -----------------------------------------------------------------------


def test_creates_of_an_address_are_bounded_over_all_workers_and_servers(
    make_server: MakeServer,
) -> None:
    servers = [make_server(create_rate=5) for _ in range(2)]

    def post(number: int) -> Answer:
        claim = {"X-Forwarded-For": f"10.0.0.{number}", "Forwarded": f"for=10.0.0.{number}"}
        return servers[number % 2].post("/v1/dockbox", json={}, headers=claim)

    answers = at_once([partial(post, number) for number in range(24)])
    assert statuses(answers) == {400: 5, 429: 19}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json() == {"error": "At most 5 creates a minute.", "code": "too_many_requests"}
    assert servers[0].get("/v1/dockbox").status_code == 200  # all else goes on


def test_creates_are_bounded_for_a_token_and_for_the_address_behind_a_proxy(
    make_server: MakeServer, run: Run
) -> None:
    server = make_server(create_rate=3, auth="token", proxies=1)
    ann, bob, eve = (new_token(run, server, name) for name in ("ann", "bob", "eve"))

    def post(token: str, told: str) -> Answer:
        headers = bearer(token, **{"X-Forwarded-For": told})
        return server.post("/v1/dockbox", json={}, headers=headers)

    # one token from ever new addresses
    assert statuses([post(ann, f"10.1.0.{n}") for n in range(5)]) == {400: 3, 429: 2}
    # ever new tokens from one address, which claims others and has a whole IPv6 network
    claims = ("10.9.9.9, 2001:db8::1", '", 2001:db8::2', "x, 2001:db8:0:0:9::3", "2001:db8::4")
    found = [post((bob, eve)[n % 2], claim) for n, claim in enumerate(claims)]
    assert statuses(found) == {400: 3, 429: 1}
    assert statuses([post(eve, "2001:db8:1::1")]) == {400: 1}


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
@pytest.mark.postgres
def test_without_the_database_nobody_is_let_through(
    make_server: MakeServer, database: dict[str, str]
) -> None:
    relay = Relay(int(database["DATABASE_PORT"]))
    server = make_server(create_rate=100, database_port=relay.port)
    try:
        with relay.cut():
            assert statuses([server.post("/v1/dockbox", json={})]) == {503: 1}
            assert statuses([server.get("/v1/dockbox")]) == {503: 1}
            ready = server.get("/ready")
            assert (ready.status_code, ready.headers["Retry-After"]) == (503, "5")
    finally:
        server.stop()
        relay.close()


def test_nobody_is_believed_who_is_no_proxy(make_server: MakeServer) -> None:
    server = make_server()
    assert server.get("/x/health", headers={"SCRIPT_NAME": "/x"}).status_code == 404
    assert server.get("/x/health", headers={"X-Forwarded-Prefix": "/x"}).status_code == 404
    moved = server.get(
        "/v1//dockbox", headers={"X-Forwarded-Proto": "https"}, allow_redirects=False
    )
    assert (moved.status_code, moved.headers["Location"]) == (308, f"{server.url}/v1/dockbox")


# --- wrong tokens ---------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_address_that_guesses_is_not_looked_at_and_nobody_else_suffers(
    make_server: MakeServer, run: Run
) -> None:
    server = make_server(auth="token", proxies=1, web_concurrency=1)
    good, other, late = (new_token(run, server, name) for name in ("good", "other", "late"))
    guess = "dbx_000000000000_" + "x" * 43

    def get(token: str, told: str) -> Answer:
        headers = bearer(token, **{"X-Forwarded-For": told})
        return server.get("/v1/dockbox", headers=headers)

    assert statuses([get(good, "10.0.0.1")]) == {200: 1}
    found = [get(guess, "10.0.0.1") for _ in range(70)]
    assert statuses(found) == {401: 60, 429: 10}
    assert statuses([get(good, "10.0.0.1"), get(other, "10.0.0.2")]) == {200: 2}
    assert statuses([get(late, "10.0.0.1")]) == {429: 1}  # it might be a guess
    headers = [f"Authorization: Bearer {guess}", "X-Forwarded-For: 10.0.0.1"]
    assert refusal(server, "some", headers=headers)["status"] == 429
    assert refusal(server, "some", "ticket=x", headers=headers[1:])["status"] == 429
    assert refusal(server, "some", "ticket=x")["status"] == 401


# --- what runs, and who is connected ----------------------------------------------------------


def test_no_more_run_at_a_time_than_may(
    make_server: MakeServer, site: Site, engine: Engine
) -> None:
    servers = [make_server(max_running=2, idle_timeout=600) for _ in range(2)]
    ids = boxes(servers[0], site, 5)
    found = at_once([partial(come, servers[n % 2], ids[n % 5]) for n in range(15)])
    assert len(engine.containers(all=False)) == 2
    running = [id for id in ids if servers[0].box(id)["state"] == "running"]
    stopped = [id for id in ids if servers[0].box(id)["state"] == "stopped"]
    assert (len(running), len(stopped), found.count("in")) == (2, 3, 6)
    assert set(found) == {"in", "This server runs at most 2 dockboxes at a time. Stop one first."}
    assert come(servers[1], stopped[0]) != "in"
    assert servers[0].post(f"/v1/dockbox/{running[0]}/stop").status_code == 200
    assert come(servers[1], stopped[0]) == "in"


def test_no_more_are_connected_to_a_box_than_may(make_server: MakeServer, site: Site) -> None:
    servers = [make_server(max_box_connections=5) for _ in range(2)]
    box, other = boxes(servers[0], site, 2)
    found = at_once([partial(come, servers[n % 2], box) for n in range(20)])
    assert found.count("in") == servers[1].box(box)["connections"] == 5
    assert set(found) == {"in", "A terminal has at most 5 clients."}
    assert come(servers[0], other) == "in"
    assert refusal(servers[1], box)["status"] == 429
    for server in servers:
        server.hang_up()
    eventually(lambda: servers[0].box(box)["connections"] == 0, 20, "nobody")
    assert come(servers[0], box) == "in"


def test_no_more_terminals_of_a_token_are_open_than_may(
    make_server: MakeServer, site: Site, run: Run
) -> None:
    server = make_server(max_connections=3, auth="token")
    ann, admin = new_token(run, server, "ann"), new_token(run, server, "boss", "--admin")
    hers = boxes(server, site, 4, headers=bearer(ann))
    header = [f"Authorization: Bearer {ann}"]
    found = at_once([partial(come, server, hers[n % 4], header) for n in range(12)])
    assert found.count("in") == 3
    assert set(found) == {"in", "A token has at most 3 terminals open."}
    assert refusal(server, hers[0], headers=header)["status"] == 429
    late = server.connect(hers[0], subprotocols=["tty"])  # its token comes after the upgrade
    late.socket.send(f'{{"AuthToken": "{ann}", "columns": 80, "rows": 24}}')
    assert late.close_code() == (1008, "A token has at most 3 terminals open.")
    assert come(server, hers[0], [f"Authorization: Bearer {admin}"]) == "in"
