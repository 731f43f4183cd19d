"""Two servers of two workers each on one PostgreSQL, and a balancer, for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ...conftest import SERVERS
from ...support.cluster import Cluster
from ...support.engine import Engine
from ...support.postgres import Postgres
from ...support.run import Run


@pytest.fixture(scope="module")
def whole(
    run: Run, engine: Engine, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Cluster]:  # fmt: skip
    """The module may have ``SETTINGS``: a dictionary for each of its servers."""
    each = getattr(request.module, "SETTINGS", [{}, {}])
    made = Cluster(run, engine, tmp_path_factory.mktemp("pair"), postgres.database(), **each[0])
    for settings in each[1:]:
        made.another(**settings)
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def pair(whole: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster without dockboxes of other tests."""
    request.node.stash[SERVERS] = whole.servers
    yield whole
    whole.clean()
