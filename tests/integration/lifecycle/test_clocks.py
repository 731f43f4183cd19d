"""Servers whose clocks are an hour off, and disagree by two, keep the database's time."""

from __future__ import annotations

import time
from datetime import datetime
from email.utils import parsedate_to_datetime

import pytest

from ...support.cluster import Cluster
from ...support.faked import clock_off, clocks
from ...support.internals import Rows
from ...support.run import Run
from ...support.server import Server
from ...support.waiting import eventually
from .pair import pair, whole

__all__ = ["pair", "whole"]  # fixtures
pytestmark = pytest.mark.postgres
HOUR, NEAR = 3600, 300  # seconds; less than NEAR is only slow
SETTINGS = [clock_off("+1h"), clock_off("-1h")]


def of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_the_clocks_of_these_servers_are_wrong_indeed(pair: Cluster, run: Run) -> None:
    for server, settings, off in zip(pair.servers, SETTINGS, (HOUR, -HOUR), strict=True):
        said = parsedate_to_datetime(server.get("/health").headers["Date"]).timestamp()
        assert abs(said - time.time() - off) < NEAR
        before = time.monotonic()
        now, monotonic = clocks(run, settings)
        assert abs(now - time.time() - off) < NEAR
        assert before < monotonic < time.monotonic()


def idle_box_is_stopped_in_time(server: Server, id: str, left: float, idle: int) -> None:
    """``left`` is a moment before the server knows that nobody is there."""
    waiting = eventually(lambda: server.box(id)["stops_at"], 20, "the queue")
    assert left + idle - 1 < of(waiting) < left + idle + NEAR
    server.wait_state(id, "stopped", 40)
    assert time.time() - left >= idle - 0.1


def test_boxes_are_stopped_when_it_is_time_and_not_before(pair: Cluster) -> None:
    for creator, other in (pair.servers, pair.servers[::-1]):
        began = time.time()
        box = creator.create(pair.archive(), idle_timeout=4)
        for name in ("created_at", "last_modified"):
            assert abs(of(box[name]) - began) < NEAR
        with other.connect(box["id"]) as terminal:
            terminal.run("echo here", timeout=30)
            assert creator.box(box["id"])["stops_at"] is None
            left = time.time()
        idle_box_is_stopped_in_time(creator, box["id"], left, 4)


def test_whoever_is_connected_stays_so_for_all_that_the_other_server_thinks(
    pair: Cluster,
) -> None:
    rows = Rows(pair.server.settings)
    id = pair.balancer.create(pair.archive(), idle_timeout=0)["id"]
    first, second = [server.connect(id) for server in pair.servers]
    first.run("answer=42", timeout=30)
    second.run("echo here", timeout=30)
    eventually(lambda: rows.one("SELECT count(*) FROM workers") == 4, 30, "all workers")
    beats = dict(rows("SELECT id, heartbeat FROM workers"))
    for _ in range(2):  # each worker has looked for dead ones, and for boxes that are due
        last = max(beats.values())
        eventually(lambda t=last: rows.one("SELECT min(heartbeat) FROM workers") > t, 60, "a beat")
        beats = dict(rows("SELECT id, heartbeat FROM workers"))
        assert len(beats) == 4 and max(beats.values()) - min(beats.values()) < NEAR
        for server in pair.servers:
            box = server.box(id)
            assert (box["state"], box["connections"], box["stops_at"]) == ("running", 2, None)
    for terminal in (first, second):
        assert terminal.run("echo $answer") == "42\n"
        terminal.close()
    pair.balancer.wait_state(id, "stopped", 30)
