"""Fixtures of the tests of integration and security: everything is real, and of the tests' own.

``engine``, ``postgres`` and ``registry`` live as long as the session, ``site``, ``database`` and
servers as long as a test.  After each test the engine is empty again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

import pytest
from docker.errors import DockerException

from .support import images
from .support.callers import Caller, make_callers
from .support.engine import Engine
from .support.postgres import Postgres
from .support.processes import Missing
from .support.registry import Registry
from .support.run import ROOT, Run
from .support.server import Server
from .support.shared import new_box, shared_server
from .support.site import Site

ENGINE = pytest.StashKey[Engine]()  # in the config, once it runs
SERVERS = pytest.StashKey[list[Server]]()  # in the test that made them
Started = TypeVar("Started", Engine, Postgres, Registry)


class MakeServer(Protocol):
    def __call__(
        self, start: bool = True, docker: str | None = None, **settings: object
    ) -> Server: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # files of short tests come last: they keep all processes busy until the end
    items.sort(key=lambda item: "unit" in item.path.parts)
    for item in items:
        if {"integration", "security", "browser"} & set(item.path.parts):
            item.add_marker(pytest.mark.docker)
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:  # the hook's result passes through
    report = yield
    if report.failed:  # type: ignore[attr-defined]
        for server in item.stash.get(SERVERS, []):
            log = "\n".join(server.log().splitlines()[-200:])
            report.sections.append((f"server at {server.url}", log))  # type: ignore[attr-defined]
        engine = item.config.stash.get(ENGINE, None)
        if engine:
            state = f"{_state(engine)}\n\ndockerd:\n{engine.log()}"
            report.sections.append(("engine", state))  # type: ignore[attr-defined]
    return report


def _state(engine: Engine) -> str:
    try:
        return engine.state()
    except (DockerException, OSError) as error:
        return f"does not answer: {error}"


def _start(service: Started) -> Started:
    try:
        service.start()
    except Missing as missing:
        pytest.fail(str(missing), pytrace=False)
    return service


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    """The folder of this session's services; ends whatever they leave."""
    run = Run()
    yield run
    run.close()


@pytest.fixture(scope="session")
def engine(run: Run, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A Docker engine that has the images of ``tests/support/images.py``."""
    engine = _start(Engine(run))
    try:
        engine.import_images()
    except Missing as missing:
        pytest.fail(str(missing), pytrace=False)
    request.config.stash[ENGINE] = engine
    yield engine
    del request.config.stash[ENGINE]
    engine.close()


@pytest.fixture(scope="session")
def postgres(run: Run) -> Iterator[Postgres]:
    postgres = _start(Postgres(run))
    yield postgres
    postgres.stop()


@pytest.fixture(scope="session")
def registry(run: Run) -> Iterator[Registry]:
    registry = _start(Registry(run))
    yield registry
    registry.stop()


@pytest.fixture(autouse=True)
def tidy(request: pytest.FixtureRequest) -> Iterator[None]:
    """No container, no pulled image, no terminal and no server outlives its test."""
    yield
    for server in request.node.stash.get(SERVERS, []):
        server.hang_up()
    engine = request.config.stash.get(ENGINE, None)
    if engine:
        engine.clear()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Files, redirects and git repositories over HTTP on loopback."""
    site = Site(tmp_path / "site")
    yield site
    site.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings of a fresh database: each test that asks runs on SQLite and on PostgreSQL."""
    if request.param == "postgres":
        postgres: Postgres = request.getfixturevalue("postgres")
        yield postgres.database()
        return
    name = f"test-{uuid.uuid4().hex}"
    others = ("DATABASE_HOST", "DATABASE_PORT", "DATABASE_USER", "DATABASE_PASSWORD")
    yield {"DATABASE_NAME": name, **dict.fromkeys(others, "")}
    for file in (ROOT / "instance").glob(f"{name}.db*"):
        file.unlink()


@pytest.fixture
def images_file(tmp_path: Path) -> Path:
    file = tmp_path / "images.toml"
    file.write_text(f'default = "{images.BASH}"\n\n[languages]\n')
    return file


@pytest.fixture
def make_server(
    request: pytest.FixtureRequest,
    run: Run,
    engine: Engine,
    database: dict[str, str],
    images_file: Path,
    tmp_path: Path,
) -> Iterator[MakeServer]:
    """Starts servers that share a database, the engine and a mount, as a cluster's do."""
    servers = request.node.stash.setdefault(SERVERS, [])

    def make(start: bool = True, docker: str | None = None, **settings: object) -> Server:
        defaults: dict[str, object] = {
            "web_concurrency": 2, "idle_timeout": 2, "stop_grace": 1,
            "private_sources": "127.0.0.0/8", "images_file": images_file,
            "allowed_images": "dockbox-test/*,127.0.0.1:*/*",
        }  # fmt: skip
        docker = docker or engine.url
        server = Server(run, tmp_path, docker, database, **{**defaults, **settings})
        servers.append(server)
        if start:
            server.start()
        return server

    yield make
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def module_server(
    request: pytest.FixtureRequest, run: Run, engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:  # fmt: skip
    """See ``shared``."""
    settings: dict[str, object] = getattr(request.module, "SETTINGS", {})
    yield from shared_server(run, engine, tmp_path_factory.mktemp("shared"), **settings)


@pytest.fixture
def shared(module_server: Server, request: pytest.FixtureRequest) -> Server:
    """One server for all tests of a module to which the database does not matter.

    The module may have ``SETTINGS`` for it.
    """
    request.node.stash[SERVERS] = [module_server]
    return module_server


@pytest.fixture
def box(shared: Server, site: Site) -> str:
    """A dockbox of the shared server."""
    return new_box(shared, site)


@pytest.fixture
def server(make_server: Callable[[], Server]) -> Server:
    """One server with two workers."""
    return make_server()


@pytest.fixture
def callers(shared: Server) -> list[Caller]:
    """Two users and an admin of the shared server, whose ``SETTINGS`` have AUTH=token."""
    return make_callers(shared)
