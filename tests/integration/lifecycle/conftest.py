"""One server with two workers on each database, for all tests of this folder.

Starting one for each test would take more time than the tests.  They use dockboxes of their own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ...conftest import SERVERS
from ...support import images
from ...support.engine import Engine
from ...support.internals import Rows
from ...support.postgres import Postgres
from ...support.run import ROOT, Run
from ...support.server import Server
from ...support.site import Site


@dataclass(frozen=True)
class Cluster:
    server: Server
    rows: Rows
    postgres: Postgres | None  # on SQLite


@pytest.fixture(
    scope="package", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def cluster(
    request: pytest.FixtureRequest, run: Run, engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:  # fmt: skip
    postgres: Postgres | None = None
    if request.param == "postgres":
        postgres = request.getfixturevalue("postgres")
        assert postgres
        database = postgres.database()
    else:
        others = ("DATABASE_HOST", "DATABASE_PORT", "DATABASE_USER", "DATABASE_PASSWORD")
        database = {"DATABASE_NAME": f"test-{uuid.uuid4().hex}", **dict.fromkeys(others, "")}
    folder: Path = tmp_path_factory.mktemp("cluster")
    (folder / "images.toml").write_text(f'default = "{images.BASH}"\n\n[languages]\n')
    server = Server(
        run, folder, engine.url, database, web_concurrency=2, idle_timeout=2, stop_grace=2,
        private_sources="127.0.0.0/8", images_file=folder / "images.toml",
    )  # fmt: skip
    yield Cluster(server, Rows(database), postgres)
    server.stop()
    for file in (ROOT / "instance").glob(f"{database['DATABASE_NAME']}.db*"):
        file.unlink()


@pytest.fixture
def server(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[Server]:
    """The server, which runs, without dockboxes of other tests."""
    request.node.stash[SERVERS] = [cluster.server]
    if cluster.server.process is None:
        cluster.server.start()
    yield cluster.server
    # the reaper clears them away while the next test runs
    cluster.rows("UPDATE dockboxes SET deleted_at = 1, owner = NULL, custom_id = id")


@pytest.fixture
def rows(cluster: Cluster) -> Rows:
    return cluster.rows


@pytest.fixture
def url(site: Site) -> str:
    return site.repository("project", {"main.py": "print('hello')\n"})
