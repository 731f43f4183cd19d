"""Several servers are one: whichever a client comes to, by the balancer or not."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from ...support.api import Api
from ...support.cluster import Cluster
from ...support.engine import Engine
from ...support.events import Events
from ...support.terminal import Terminal
from ...support.throttle import Throttle
from ...support.traces import nothing_left
from ...support.waiting import eventually
from .pair import pair, whole

__all__ = ["pair", "whole"]  # fixtures
pytestmark = pytest.mark.postgres


def same_everywhere(pair: Cluster, path: str) -> Any:
    """What every server says, and the balancer whichever it asks."""
    answers = [api.get(path) for api in (*pair.servers, *[pair.balancer] * len(pair.servers))]
    assert {answer.status_code for answer in answers} == {answers[0].status_code}
    assert all(answer.json() == answers[0].json() for answer in answers)
    return answers[0].json()


def test_every_server_answers_the_same_about_what_another_has_done(
    pair: Cluster, engine: Engine
) -> None:
    a, b = pair.servers
    before = [pair.balancer.served(server) for server in pair.servers]
    made = a.create(pair.archive(), name="everywhere")
    path = f"/v1/dockbox/{made['id']}"
    assert made.pop("message")
    assert same_everywhere(pair, path) == same_everywhere(pair, "/v1/dockbox/everywhere") == made
    others = [pair.balancer.create(pair.archive())["id"] for _ in range(3)]
    listed = same_everywhere(pair, "/v1/dockbox?limit=2")
    assert [box["id"] for box in listed["items"]] == others[:0:-1]
    rest = same_everywhere(pair, f"/v1/dockbox?limit=2&after={listed['next']}")
    assert [box["id"] for box in rest["items"]] == [others[0], made["id"]]

    changed = b.patch(path, json={"name": "renamed", "idle_timeout": 77})
    assert changed.status_code == 200
    assert same_everywhere(pair, path) == changed.json()
    assert changed.json() == {
        **made, "custom_id": "renamed", "idle_timeout": 77,
        "last_modified": changed.json()["last_modified"],
    }  # fmt: skip
    assert same_everywhere(pair, "/v1/dockbox/everywhere")["code"] == "not_found"
    taken = a.post("/v1/dockbox", json={"url": pair.archive(), "name": "renamed"})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")

    assert pair.balancer.post(f"{path}/resize", json={"rows": 9, "cols": 9}).status_code == 409
    with b.connect(made["id"]) as terminal:
        terminal.run("echo here", timeout=30)
        assert same_everywhere(pair, path)["connections"] == 1
        for api, rows in ((a, 31), (b, 32), (pair.balancer, 33), (pair.balancer, 34)):
            resized = api.post(f"{path}/resize", json={"rows": rows, "cols": 90})
            assert resized.status_code == 204
            assert terminal.run("stty size") == f"{rows} 90\n"
        assert a.post(f"{path}/stop").json()["state"] == "stopped"
        assert terminal.close_code() == (1000, "The dockbox was stopped.")
    eventually(lambda: a.box(made["id"])["connections"] == 0, 20, "no connection")
    assert same_everywhere(pair, path)["state"] == "stopped"

    with a.connect(made["id"]) as terminal:
        terminal.run("echo here", timeout=30)
        assert pair.balancer.delete(path).status_code == 204
        assert terminal.close_code() == (1000, "The dockbox was deleted.")
    assert same_everywhere(pair, path)["code"] == "not_found"
    assert same_everywhere(pair, "/v1/dockbox?limit=1")["items"][0]["id"] == others[-1]
    for api, id in zip((a, b, pair.balancer), others, strict=True):
        assert api.delete(f"/v1/dockbox/{id}").status_code == 204
    nothing_left(a, engine)
    for server, served in zip(pair.servers, before, strict=True):
        assert pair.balancer.served(server) > served


@pytest.mark.parametrize("through", ["the other", "the balancer"])
def test_what_one_server_creates_is_followed_through_another(pair: Cluster, through: str) -> None:
    a, b = pair.servers
    api: Api = b if through == "the other" else pair.balancer
    slow = Throttle(pair.site.netloc, most=2**19)
    url = pair.archive("big", {"big": os.urandom(2**20)})
    url = url.replace(pair.site.netloc, slow.netloc)
    try:
        answer = a.post("/v1/dockbox", json={"url": url}, headers={"Prefer": "respond-async"})
        assert (answer.status_code, answer.json()["state"]) == (202, "creating")
        id = answer.json()["id"]
        assert slow.holding.wait(30)
        with Events(api, id) as events, api.connect(id) as early:
            assert events.until("state")["state"] == "creating"
            assert events.until("progress", step="Downloading")["bytes"] <= 2**19
            early.read_until("Downloading …".encode(), 30)
            early.send(b"echo early-$((6*7))\r")  # kept for the shell that will come
            slow.let_go()
            early.read_until(b"early-42", 30)
            events.until("state", state="running", connections=1)
            assert api.delete(f"/v1/dockbox/{id}").status_code == 204
            assert events.until("deleted") == {"id": id}
            assert early.close_code() == (1000, "The dockbox was deleted.")
    finally:
        slow.cut()


def test_terminals_at_two_servers_share_a_shell_and_its_size(pair: Cluster) -> None:
    a, b = pair.servers
    id = a.create(pair.archive(), idle_timeout=1)["id"]
    path = f"/v1/dockbox/{id}"
    with a.connect(id, "rows=40&cols=100") as first, b.connect(id, "rows=30&cols=120") as second:
        for terminal in (first, second):  # a connection is counted a moment after it is made
            terminal.run("answer=42", timeout=30)
        assert same_everywhere(pair, path)["connections"] == 2
        for writer, reader in ((first, second), (second, first)):
            token = f"{time.monotonic_ns()}"
            writer.send(f"echo $answer-'{token}'\r".encode())
            for terminal in (reader, writer):
                terminal.read_until(f"42-{token}".encode(), 20)
        eventually(lambda: first.run("stty size") == "30 100\n", 20, "the smallest of both")
        eventually(lambda: second.run("stty size") == "30 100\n", 20, "the smallest of both")
        with pair.balancer.connect(id, "rows=25&cols=110") as third:
            eventually(lambda: third.run("stty size") == "25 100\n", 20, "the smallest of three")
            assert same_everywhere(pair, path)["connections"] == 3
        eventually(lambda: first.run("stty size") == "30 100\n", 20, "the smallest of both")


def test_the_last_one_out_at_either_server_puts_the_box_in_the_queue(pair: Cluster) -> None:
    last: dict[str, Terminal] = {}  # who stays longest at each dockbox: at a, and at b
    for stays, leaves in (pair.servers, pair.servers[::-1]):
        id = pair.balancer.create(pair.archive(), idle_timeout=1)["id"]
        last[id] = stays.connect(id)
        last[id].run("echo here", timeout=30)
        with leaves.connect(id) as first:
            first.run("echo here", timeout=30)
    for id in last:
        eventually(lambda id=id: pair.balancer.box(id)["connections"] == 1, 20, "one connection")
    end = time.monotonic() + 2.5  # longer than the second after which they would be stopped
    while time.monotonic() < end:
        for id in last:
            shown = same_everywhere(pair, f"/v1/dockbox/{id}")
            assert (shown["state"], shown["connections"], shown["stops_at"]) == ("running", 1, None)
    for terminal in last.values():
        assert terminal.run("echo here", timeout=30) == "here\n"
        terminal.close()
    for id in last:
        pair.balancer.wait_state(id, "stopped", 30)
        assert same_everywhere(pair, f"/v1/dockbox/{id}")["connections"] == 0
