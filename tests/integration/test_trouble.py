"""A server whose Docker, database or disk is away: it says so, and goes on when it is back."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from ..conftest import SERVERS
from ..support import images
from ..support.engine import Engine
from ..support.postgres import Postgres
from ..support.processes import children
from ..support.run import Run
from ..support.throttle import Throttle
from ..support.traces import nothing_left, things, traces
from ..support.waiting import eventually
from ..support.world import World, sqlite

SOON = 20  # seconds: a few, on a machine that has much to do


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """The processes and their children take connections, and do nothing any more."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # before its children are listed, so that no more come
    all = [*pids, *(child for pid in pids for child in children(pid))]
    try:
        send(all, signal.SIGSTOP)
        yield
    finally:
        send(all, signal.SIGCONT)


def send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # a child may just have ended
            os.kill(pid, number)


class Own(World):
    """A server with an engine and a PostgreSQL that nobody else needs."""

    postgres: Postgres


@pytest.fixture(scope="module")
def lonely(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    with ExitStack() as stack:
        engine, postgres = Engine(run, "engine-2"), Postgres(run, "postgres-2")
        engine.start()
        stack.callback(engine.close)
        engine.import_image(images.BASH)
        postgres.start()
        stack.callback(postgres.stop)
        folder = tmp_path_factory.mktemp("trouble")
        own = Own(run, engine, folder, postgres.database(), web_concurrency=1)
        own.postgres = postgres
        stack.callback(own.close)
        own.server.start()
        yield own


@pytest.fixture
def own(lonely: Own, request: pytest.FixtureRequest) -> Own:
    request.node.stash[SERVERS] = [lonely.server]
    lonely.clean()
    return lonely


def test_a_server_without_docker_says_so_and_goes_on(own: Own) -> None:
    server, engine = own.server, own.engine
    throttle = Throttle(own.site.netloc, most=0)
    ready = server.create(own.archive())
    slow = own.archive().replace(own.site.netloc, throttle.netloc)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.post, "/v1/dockbox", json={"url": slow})
        assert throttle.holding.wait(30)
        engine.stop()
        throttle.let_go()
        answer = waiting.result(60)
    assert (answer.status_code, answer.json()["code"]) == (503, "runtime_unavailable")
    began = time.monotonic()
    answer = server.get("/ready")
    assert (answer.status_code, answer.json()["database"]) == (503, "ok")
    assert "Docker" in answer.json()["docker"] and time.monotonic() - began < SOON
    answer = server.delete(f"/v1/dockbox/{ready['id']}")
    assert (answer.status_code, answer.json()["code"]) == (503, "runtime_unavailable")
    assert server.box(ready["id"])["state"] == "stopped"  # all of it is kept
    assert server.get("/health").status_code == 200
    engine.start()
    eventually(lambda: server.get("/ready").status_code == 200, 30, "Docker again")
    assert server.delete(f"/v1/dockbox/{ready['id']}").status_code == 204
    eventually(lambda: not things(server, engine), 30, "nothing left over")
    own.clean()
    nothing_left(server, engine)
    assert server.create(own.archive())["state"] == "stopped"
    throttle.cut()


def test_ready_waits_for_nobody_who_is_frozen(own: Own) -> None:
    server, postgres = own.server, own.postgres._process
    assert server.get("/ready").status_code == 200
    docker = own.engine._process
    assert docker and postgres
    for process, away, there in ((docker, "docker", "database"), (postgres, "database", "docker")):
        with frozen(process.pid):
            began = time.monotonic()
            answer = server.get("/ready")
            assert time.monotonic() - began < SOON
            assert (answer.status_code, answer.json()[there]) == (503, "ok")
            assert answer.json()[away].endswith("cannot be reached.")
            assert server.get("/health").status_code == 200
        eventually(lambda: server.get("/ready").status_code == 200, 30, f"{away} again")


def test_a_server_without_its_database_says_so_and_goes_on(own: Own) -> None:
    server, postgres = own.server, own.postgres
    box = server.create(own.archive())
    postgres.stop()
    began = time.monotonic()
    answer = server.get("/ready")
    assert (answer.status_code, answer.json()["docker"]) == (503, "ok")
    assert "database" in answer.json()["database"] and time.monotonic() - began < SOON
    path = f"/v1/dockbox/{box['id']}"
    for answer in (
        server.get(path), server.get("/v1/dockbox"), server.delete(path), server.get("/metrics"),
        server.post("/v1/dockbox", json={"url": own.archive()}), server.post(f"{path}/stop"),
    ):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert server.get("/health").status_code == 200
    postgres.start()
    eventually(lambda: server.get("/ready").status_code == 200, 30, "the database again")
    assert server.box(box["id"])["state"] == "stopped"
    assert server.delete(path).status_code == 204
    nothing_left(server, own.engine)


@pytest.fixture
def small(
    run: Run, engine: Engine, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[World]:
    """A server whose mount is a disk of 2 MB."""
    with sqlite() as database, ExitStack() as stack:
        world = World(run, engine, tmp_path, database, web_concurrency=1)
        mount = str(world.server.mount)
        options = ["-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs"]
        subprocess.run(["mount", *options, mount], check=True)
        stack.callback(subprocess.run, ["umount", "-l", mount], check=True)
        stack.callback(world.close)
        request.node.stash[SERVERS] = [world.server]
        world.server.start()
        yield world


def test_a_disk_that_is_full_is_503(small: World, engine: Engine) -> None:
    server, noise = small.server, {"noise": os.urandom(3 * 2**20)}
    many = {f"file-{number}": b"x" for number in range(900)}
    for url in (
        small.archive("large", noise),
        small.site.repository("large", noise),
        small.archive("zeros", {"zeros": b"\0" * 5 * 2**20}),
        small.site.repository("text", {"text": b"x" * 5 * 2**20}),
        small.site.repository("many", many),
    ):
        answer = server.post("/v1/dockbox", json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_failed"), url
        assert str(server.mount) not in answer.text
        assert traces(server, engine) == []
    box = server.create(small.archive())
    with server.connect(box["id"]) as terminal:
        assert "No space" in terminal.run("dd if=/dev/zero of=/app/full bs=1M count=9", timeout=30)
    assert server.get(f"/v1/dockbox/{box['id']}").status_code == 200
    assert server.delete(f"/v1/dockbox/{box['id']}").status_code == 204
    nothing_left(server, engine, timeout=0)


def test_a_mount_that_is_read_only_is_503(small: World, engine: Engine) -> None:
    server = small.server
    subprocess.run(["mount", "-o", "remount,ro", str(server.mount)], check=True)
    for url in (small.archive(), small.site.repository("some", {"a": "1"})):
        answer = server.post("/v1/dockbox", json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_failed")
        assert str(server.mount) not in answer.text
        assert traces(server, engine) == []
    subprocess.run(["mount", "-o", "remount,rw", str(server.mount)], check=True)
    server.create(small.archive())
