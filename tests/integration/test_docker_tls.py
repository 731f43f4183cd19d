"""A Docker engine behind TCP and TLS, whose clients need a certificate."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..conftest import SERVERS
from ..support.certificates import Authority, options
from ..support.engine import Engine
from ..support.internals import open_files
from ..support.processes import free_port
from ..support.relay import dropped
from ..support.run import Run
from ..support.terminal import Terminal
from ..support.waiting import eventually
from ..support.world import World, sqlite

SESSIONS = 10


@dataclass(frozen=True)
class Secured:
    engine: Engine
    port: int
    authority: Authority
    client: Path


@pytest.fixture(scope="module")
def secured(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    authority = Authority(tmp_path_factory.mktemp("tls") / "authority")
    port, own = free_port(), authority.issue("server", "serverAuth")
    engine = Engine(run, "secured", options(own, port))
    engine.start()
    engine.import_images()
    yield Secured(engine, port, authority, authority.issue("client", "clientAuth"))
    engine.close()


def make(
    run: Run, secured: Secured, folder: Path, database: Mapping[str, str], certificates: Path
) -> World:
    """A server, not started, that has these certificates."""
    return World(
        run, secured.engine, folder, database, web_concurrency=1, ping_interval=1,
        docker_server_host=f"127.0.0.1:{secured.port}", docker_tls_verify=1,
        docker_cert_path=certificates,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(run: Run, secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with (
        sqlite() as database,
        closing(make(run, secured, folder, database, secured.client)) as world,
    ):
        world.server.start()
        yield world


@pytest.fixture
def world(whole: World, request: pytest.FixtureRequest) -> Iterator[World]:
    request.node.stash[SERVERS] = [whole.server]
    yield whole
    whole.server.hang_up()
    whole.clean()


def test_a_terminal_works_through_tls(world: World) -> None:
    server = world.server
    assert server.get("/ready").json() == {"database": "ok", "docker": "ok"}
    id = server.create(world.archive())["id"]
    with server.connect(id, "rows=24&cols=80") as terminal:
        assert terminal.run("echo here", timeout=30) == "here\n"
        eventually(lambda: terminal.run("stty size 2>&1") == "24 80\n", 20, "its size")
        terminal.send(b"sleep 1000\r")
        terminal.read_until(b"sleep 1000")
        eventually(lambda: b"sleep" in running(world, id), 20, "the sleep")
        terminal.send(b"\x03")
        terminal.read_until(b"# ", 20)  # before it, a key may be discarded
        assert terminal.run("echo again", timeout=30) == "again\n"
    with server.connect(id) as terminal:
        assert "again" in terminal.read_until(b"again\r\n").decode()
        assert server.post(f"/v1/dockbox/{id}/stop").json()["state"] == "stopped"
        assert terminal.close_code() == (1000, "The dockbox was stopped.")
    assert " died" not in server.log() and "Traceback" not in server.log()


def running(world: World, id: str) -> bytes:
    api = world.engine.client().api
    made = api.exec_create(f"dockbox-{id}", ["ps"])
    return bytes(api.exec_start(made["Id"]))


def test_every_byte_of_both_directions_at_once_arrives_through_tls(world: World) -> None:
    server, line = world.server, b"0123456789abcde\n"
    typed = b"".join(b"%07d\n" % number for number in range(250_000))  # 2 MB
    lines = 5 * 2**20 // len(line)
    with server.connect(server.create(world.archive())["id"]) as terminal:
        terminal.send(
            b"stty raw -echo; echo rea''dy; ((yes %s | head -n %d; echo e''nd) & "
            b"head -c %d | sha256sum >/app/sum; wait); stty sane\r"
            % (line.strip(), lines, len(typed))
        )
        terminal.read_until(b"ready\n", 30)
        with ThreadPoolExecutor(1) as pool:
            typing = pool.submit(type_all, terminal, typed)
            output = terminal.read_until(b"end\n", 90)
            typing.result(90)
        assert output == line * lines + b"end\n"
        found = terminal.run("cut -d ' ' -f 1 /app/sum", timeout=60)
        assert found.strip() == hashlib.sha256(typed).hexdigest()


def type_all(terminal: Terminal, data: bytes) -> None:
    for at in range(0, len(data), 50_000):
        terminal.send(data[at : at + 50_000])


def test_sessions_through_tls_leave_no_file_open(world: World) -> None:
    server, api = world.server, world.engine.client().api
    [worker] = server.worker_pids()
    id = server.create(world.archive())["id"]
    before = 0
    for _ in range(SESSIONS):
        with server.connect(id, "rows=24&cols=80") as terminal:
            terminal.receive(30)
            before = before or len(open_files(worker))
            api.kill(server.box(id)["container_id"])
            assert terminal.close_code(30)[0] == 1011
    # docker-py keeps connections for its next calls: as many as there were calls at once
    most = before + SESSIONS // 2
    eventually(lambda: len(open_files(worker)) <= most, 20, f"no more than {most} open files")


def test_an_engine_behind_tls_that_vanished_is_noticed(world: World, secured: Secured) -> None:
    server = world.server
    with server.connect(server.create(world.archive())["id"]) as terminal:
        terminal.run("echo here", timeout=30)
        with dropped(secured.port):
            terminal.send(b"x")  # whose acknowledgement never comes
            assert terminal.close_code(40) == (1011, "Docker cannot be reached.")
    assert " died" not in server.log()


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (("ca.pem",), "Docker's certificate is not trusted: see DOCKER_CERT_PATH."),
        (
            ("cert.pem", "key.pem"),
            "Docker does not agree to TLS: see DOCKER_TLS_VERIFY and DOCKER_CERT_PATH.",
        ),
    ],
)
def test_certificates_that_do_not_fit_are_named_as_the_reason(
    run: Run, secured: Secured, tmp_path: Path, request: pytest.FixtureRequest,
    own: tuple[str, ...], words: str,
) -> None:  # fmt: skip
    mixed = Authority(tmp_path / "other").issue("client", "clientAuth")
    for name in {"ca.pem", "cert.pem", "key.pem"} - set(own):
        shutil.copy(secured.client / name, mixed / name)
    with sqlite() as database, closing(make(run, secured, tmp_path, database, mixed)) as w:
        request.node.stash[SERVERS] = [w.server]
        w.server.start()
        ready = w.server.get("/ready")
        assert (ready.status_code, ready.json()) == (503, {"database": "ok", "docker": words})
        answer = w.server.post("/v1/dockbox", json={"url": w.archive()})
        refusal = {"error": words, "code": "runtime_unavailable"}
        assert (answer.status_code, answer.json()) == (503, refusal)
