"""One server is restarted as systemd does it, while people type and ask."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ...conftest import SERVERS
from ...support.engine import Engine
from ...support.run import Run
from ...support.systemd import Service
from ...support.typist import Typist
from ...support.waiting import eventually
from ...support.world import World, sqlite

ASKING = 4  # threads that send one request after the other


@pytest.fixture(scope="module")
def whole(
    run: Run, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[World, Service]]:
    with sqlite() as database:
        world = World(run, engine, tmp_path_factory.mktemp("service"), database)
        world.server.__class__ = Service
        service = world.server
        assert isinstance(service, Service)
        try:
            yield world, service
        finally:
            world.close()
            service.release()


@pytest.fixture
def world(whole: tuple[World, Service], request: pytest.FixtureRequest) -> World:
    request.node.stash[SERVERS] = [whole[1]]
    return whole[0]


@pytest.fixture
def service(world: World, whole: tuple[World, Service]) -> Service:
    if whole[1].process is None:
        whole[1].start()
    return whole[1]


class Asker:
    """Asks for what is at ``path``, each time by a new connection, until ``end``."""

    def __init__(self, service: Service, path: str) -> None:
        self._service, self._path = service, path
        self.answered = 0
        self._done = threading.Event()

    def work(self) -> None:
        while not self._done.is_set():
            answer = self._service.get(self._path)
            assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
            self.answered += 1

    def end(self) -> None:
        self._done.set()


def test_a_restart_refuses_no_request_and_loses_no_shell_and_no_line(
    world: World, service: Service
) -> None:
    boxes = [service.create(world.archive())["id"] for _ in range(2)]
    typists = [Typist(service, boxes[n % 2], f"typist{n}", away=()) for n in range(4)]
    askers = [Asker(service, path) for path in ("/health", "/v1/dockbox") * (ASKING // 2)]
    try:
        with ThreadPoolExecutor(ASKING) as pool:
            jobs = [pool.submit(asker.work) for asker in askers]
            try:
                goes_on(typists, askers)
                service.restart()
                goes_on(typists, askers)
            finally:
                for asker in askers:
                    asker.end()
            for job in jobs:
                job.result(90)  # raises ConnectionError where one was refused, or cut off
    finally:
        for typist in typists:
            typist.end()
    assert all(typist.moves >= 1 for typist in typists)


def goes_on(typists: list[Typist], askers: list[Asker]) -> None:
    """Wait until each has done more, or a typist has failed: ``Typist.end`` says why."""
    typed = [typist.typed + 2 for typist in typists]
    answered = [asker.answered + 2 for asker in askers]
    eventually(
        lambda: (
            any(typist.error for typist in typists)
            or (
                all(typist.typed > most for typist, most in zip(typists, typed, strict=True))
                and all(asker.answered > most for asker, most in zip(askers, answered, strict=True))
            )
        ),
        60,
        "more lines and answers",
    )


def test_who_comes_while_the_server_is_away_waits_and_is_answered(service: Service) -> None:
    service.stop()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(service.get, "/health")
        service.start()
        assert waiting.result(30).text == "Server Functional!"


def test_systemd_is_told_of_the_start_by_a_worker_that_has_loaded_the_application(
    service: Service,
) -> None:
    assert set(service.told) == {"READY=1"}
    service.stop()
    right, service.app = service.app, "missing:app"
    try:
        with pytest.raises(RuntimeError, match="the server ended at once"):
            service.start()
    finally:
        service.app = right
    assert service.told == ()
