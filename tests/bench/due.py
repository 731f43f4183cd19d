"""Rows about the stop time: how late containers end whose dockboxes all fall due together."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import docker

from tests.support.waiting import eventually

from .client import WebSocket
from .cluster import Cluster, started
from .report import DOCKBOX, Row, percentiles
from .rig import Rig

AT_ONCE = 8  # boxes made and started
ENGINE = "docker-py"


def stop_time(rig: Rig, number: int, timeout: int) -> list[Row]:
    """Seconds from when ``number`` dockboxes should have been stopped to when they were.

    All clients leave at once, ``timeout`` seconds before.  The limit is the engine's own: the
    same containers told to stop at once, each by a thread of its own.
    """
    name = f"{number} boxes due together {timeout} s after the last client: late by"
    rows = {which: Row(f"{name} {which}", "s", ENGINE) for which in ("p50", "p99")}
    with started(rig) as cluster:
        made = _boxes(cluster, number, timeout)
        gone = _leave(cluster, list(made))
        running = "SELECT count(*) FROM dockboxes WHERE state <> 'stopped'"
        patience = timeout + 30 + number
        eventually(lambda: cluster.rows.one(running) == 0, patience, "all to be stopped", every=0.5)
    ended = _ended(rig, list(made.values()))
    late = [ended[container] - gone[id] - timeout for id, container in made.items()]
    for who, seconds in ((DOCKBOX, late), (ENGINE, _by_hand(rig, list(made.values())))):
        for which, value in percentiles(seconds).items():
            rows[which].add(who, value)
    for container in made.values():
        rig.engine.client().api.remove_container(container, force=True)
    return list(rows.values())


def _boxes(cluster: Cluster, number: int, timeout: int) -> dict[str, str]:
    """The containers of new dockboxes, by id."""

    def create(at: int) -> tuple[str, str]:
        server = cluster.servers[at % len(cluster.servers)]
        box = server.create(cluster.source, idle_timeout=timeout)
        return box["id"], box["container_id"]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(pool.map(create, range(number)))


def _leave(cluster: Cluster, ids: list[str]) -> dict[str, float]:
    """When the only client of each left, after all were there: seconds since 1970."""

    def come(at: int) -> WebSocket:
        client = WebSocket(cluster.address(at, ids[at]))
        client.read()
        return client

    with ThreadPoolExecutor(AT_ONCE) as pool:
        clients = list(pool.map(come, range(len(ids))))
    gone = {}
    for id, client in zip(ids, clients, strict=True):
        gone[id] = time.time()
        client.close()
    return gone


def _ended(rig: Rig, containers: list[str]) -> dict[str, float]:
    """When each container ended, by Docker: seconds since 1970."""
    api, ended = rig.engine.client().api, {}
    for container in containers:
        state = api.inspect_container(container)["State"]
        if state["Running"]:
            raise RuntimeError("a container runs on")
        ended[container] = datetime.fromisoformat(state["FinishedAt"]).timestamp()
    return ended


def _by_hand(rig: Rig, containers: list[str]) -> list[float]:
    """Seconds until each container had ended when all were told to at once, through docker-py.

    It gets the same two calls: a hang-up for all that runs there, and the end of its first process.
    """
    api = docker.APIClient(rig.engine.url, version="1.41", timeout=60, max_pool_size=1000)

    def stop(container: str) -> None:
        made = api.exec_create(container, ["/bin/sh", "-c", "kill -HUP -1"], user="0:0")
        api.exec_start(made["Id"], detach=True)
        api.stop(container, timeout=3)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(api.start, containers))
    rig.wait(5)  # as with those of dockbox, whatever a start leaves to do is done
    start = time.time()
    with ThreadPoolExecutor(len(containers)) as pool:
        list(pool.map(stop, containers))
    api.close()
    return [ended - start for ended in _ended(rig, containers).values()]
