"""What waits, or is held open, has a bound: fetches, pulls, clients without a token, streams."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
import requests
import websocket

from ..conftest import MakeServer
from ..integration.test_create import pushed
from ..support.engine import Engine
from ..support.events import Events
from ..support.operator import new_token
from ..support.registry import Registry
from ..support.run import Run
from ..support.server import Server
from ..support.site import Site
from ..support.throttle import Throttle
from ..support.waiting import eventually
from .bounded import Answer, at_once, bearer, boxes, come, statuses, told

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
ASYNC = {"Prefer": "respond-async"}
WAITING = {"step": "Waiting for a turn", "percent": None, "bytes": None}


# --- fetches and pulls ------------------------------------------------------------------------


def test_who_must_wait_for_a_fetch_is_told_and_gets_a_turn(
    make_server: MakeServer, site: Site
) -> None:
    server = make_server(web_concurrency=1, max_fetches=1)
    url = site.repository("project", {"main.py": ""})
    throttle = Throttle(site.netloc, most=0)  # the first fetch lasts until the second is seen
    order = {"url": url.replace(site.netloc, throttle.netloc)}
    try:
        first = server.post("/v1/dockbox", json=order, headers=ASYNC).json()["id"]
        assert throttle.holding.wait(30)
        second = server.post("/v1/dockbox", json=order, headers=ASYNC).json()["id"]
        with Events(server, second) as events:
            assert events.until("progress") == WAITING
            throttle.let_go()
            events.until("state", state="stopped")
        server.wait_state(first, "stopped")
    finally:
        throttle.cut()


def test_who_waits_for_a_fetch_too_long_is_told_when_to_come_back(
    make_server: MakeServer, site: Site
) -> None:
    server = make_server(web_concurrency=1, max_fetches=1, source_timeout=5)
    url = site.repository("project", {"main.py": ""})
    site.delay = 30
    answers = at_once([partial(server.post, "/v1/dockbox", json={"url": url})] * 4)
    assert {answer.json()["code"] for answer in answers} == {"busy", "fetch_timeout"}
    found = statuses(answers)
    assert found[503] >= 2 and found[400] >= 1


def test_who_must_wait_for_a_pull_is_told_and_gets_a_turn(
    make_server: MakeServer, site: Site, engine: Engine, registry: Registry
) -> None:
    server = make_server(web_concurrency=1, max_pulls=1)
    throttle = Throttle(registry.address, most=2**20)
    url = site.repository("project", {"main.py": ""})
    order = {"url": url, "image": pushed(engine, registry, throttle, os.urandom(3 * 2**20))}
    try:
        first = server.post("/v1/dockbox", json=order, headers=ASYNC).json()["id"]
        assert throttle.holding.wait(30)
        order["image"] = registry.push(
            engine.client(), engine.import_image("dockbox-test/other:1", "dockbox-test/sh:1", {})
        )
        engine.client().api.remove_image("dockbox-test/other:1")
        second = server.post("/v1/dockbox", json=order, headers=ASYNC).json()["id"]
        with Events(server, second) as events:
            while ("progress", WAITING) not in events.seen:
                kind, data = events.next() or ("end", {})
                assert data.get("state") != "stopped" and kind != "end"
            throttle.let_go()
            events.until("state", state="stopped")
        server.wait_state(first, "stopped")
    finally:
        throttle.cut()


# --- what is held open ------------------------------------------------------------------------


def test_who_has_not_shown_a_token_takes_one_of_few_places(
    make_server: MakeServer, run: Run, site: Site
) -> None:
    server = make_server(auth="token", web_concurrency=1)
    token = new_token(run, server, "ann")
    (box,) = boxes(server, site, 1, headers=bearer(token))
    for _ in range(200):
        server.connect(box, subprotocols=["tty"])

    def full() -> int:  # again, where some have been sent away: it took more than 10 s to get here
        try:
            server.connect(box, subprotocols=["tty"])
        except websocket.WebSocketBadStatusException as refused:
            return int(told(refused)["status"])
        return 0

    assert eventually(full, 60, "a full lobby", every=0) == 503
    assert come(server, box, [f"Authorization: Bearer {token}"]) == "in"


@contextmanager
def following(server: Server, id: str) -> Iterator[Answer]:
    with requests.get(f"{server.url}/v1/dockbox/{id}/events", stream=True, timeout=30) as answer:
        yield answer


def test_the_streams_of_a_boxs_events_are_bounded(make_server: MakeServer, site: Site) -> None:
    server = make_server(max_box_connections=2, web_concurrency=1)
    box, other = boxes(server, site, 2)

    def refused() -> bool:
        with following(server, box) as answer:
            return bool(statuses([answer]) == {429: 1}) if answer.status_code != 200 else False

    with following(server, box) as first:
        with following(server, box) as second, following(server, other) as third:
            assert statuses([first, second, third]) == {200: 3}
            assert refused()
        assert server.patch(f"/v1/dockbox/{box}", json={"idle_timeout": 7}).status_code == 200
        eventually(lambda: not refused(), 30, "a place again")
