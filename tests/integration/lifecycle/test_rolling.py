"""Servers are replaced one after the other, while people type and create."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from ...support.api import Api
from ...support.cluster import Cluster
from ...support.server import Server
from ...support.throttle import Throttle
from ...support.typist import AWAY, Typist
from ...support.waiting import eventually
from .pair import pair, whole

__all__ = ["pair", "whole"]  # fixtures
pytestmark = pytest.mark.postgres


def drained_first(pair: Cluster, old: Server) -> None:
    """As with a new image of the machine: another server comes before this one goes."""
    new = pair.another()
    new.start(60)
    pair.balancer.add(new)
    pair.balancer.wait_for(new, "UP")
    pair.balancer.drain(old)
    old.stop()
    pair.balancer.forget(old)
    pair.servers.remove(old)


def all_at_once(pair: Cluster, old: Server) -> None:
    """As with a restart of the service: the balancer has to find out."""
    old.stop()
    old.start(60)
    pair.balancer.wait_for(old, "UP")


class Creator:
    """Creates one dockbox after the other, by names of its own, until ``end``."""

    def __init__(self, api: Api, url: str, name: str) -> None:
        self._api, self._url, self._name = api, url, name
        self.accepted: list[str] = []
        self.refused = 0
        self._done = threading.Event()

    def work(self) -> None:
        while not self._done.is_set():
            name = f"{self._name}-{len(self.accepted)}"
            while not self._post(name):
                self.refused += 1
                time.sleep(0.05)
            self.accepted.append(name)

    def end(self) -> None:
        self._done.set()

    def _post(self, name: str) -> bool:
        """Whether it was accepted.  Where no answer came, the name tells."""
        try:
            answer = self._api.post("/v1/dockbox", json={"url": self._url, "name": name})
        except requests.ConnectionError:
            return self._there(name)
        if answer.status_code in AWAY:
            return self._there(name)
        assert answer.status_code in (201, 202), answer.text
        return True

    def _there(self, name: str) -> bool:
        codes = (200, 404)
        code = eventually(lambda: self._ask(name, codes), 60, "an answer to a GET", every=0.05)
        return code == 200

    def _ask(self, name: str, codes: tuple[int, ...]) -> int:
        try:
            code = int(self._api.get(f"/v1/dockbox/{name}").status_code)
        except requests.ConnectionError:
            return 0
        return code if code in codes else 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("replace", [drained_first, all_at_once])
def test_a_rolling_restart_loses_no_shell_no_line_and_no_creation(
    pair: Cluster, replace: Callable[[Cluster, Server], None]
) -> None:
    api = pair.balancer
    slow = Throttle(pair.site.netloc, pace=0.05)  # a second for each creation
    big = pair.archive("big", {"big": os.urandom(2**20)}).replace(pair.site.netloc, slow.netloc)
    boxes = [api.create(pair.archive())["id"] for _ in range(3)]
    typists = [Typist(api, boxes[n % 3], f"typist{n}") for n in range(6)]
    creators = [Creator(api, big, f"made-{n}") for n in range(2)]
    try:
        with ThreadPoolExecutor(len(creators)) as pool:
            jobs = [pool.submit(creator.work) for creator in creators]
            try:
                for old in list(pair.servers):
                    replace(pair, old)
                for typist in typists:
                    goes_on(typist)
                connected = [api.box(id)["connections"] for id in boxes]
            finally:
                for creator in creators:
                    creator.end()
            for job in jobs:
                job.result(90)
    finally:
        for typist in typists:
            typist.end()
        slow.cut()
    assert all(typist.moves >= 1 for typist in typists)
    assert connected == [2, 2, 2]
    for creator in creators:
        assert len(creator.accepted) > 1
        for name in creator.accepted:
            api.wait_state(name, "stopped", 30)


def goes_on(typist: Typist) -> None:
    """Wait until it has typed more, or failed: then ``Typist.end`` says why."""
    typed = typist.typed
    eventually(lambda: typist.error or typist.typed > typed + 2, 60, "more lines")


def test_what_a_server_has_accepted_before_its_end_is_created(pair: Cluster) -> None:
    a, b = pair.servers
    slow = Throttle(pair.site.netloc, most=2**19)
    big = pair.archive("big", {"big": os.urandom(2**20)}).replace(pair.site.netloc, slow.netloc)
    try:
        answer = a.post("/v1/dockbox", json={"url": big}, headers={"Prefer": "respond-async"})
        assert answer.status_code == 202
        id = answer.json()["id"]
        assert slow.holding.wait(30)
        with ThreadPoolExecutor(1) as pool:
            end = pool.submit(a.stop)
            pair.balancer.wait_for(a, "DOWN")  # no longer asked, but not at its end yet
            assert b.box(id)["state"] == "creating"
            with pair.balancer.connect(id) as terminal:
                slow.let_go()
                assert terminal.run("ls", timeout=30) == "big\n"
            end.result(60)
        assert (b.box(id)["state"], b.box(id)["error"]) == ("running", None)
    finally:
        slow.cut()
        a.start(60)
        pair.balancer.wait_for(a, "UP")
