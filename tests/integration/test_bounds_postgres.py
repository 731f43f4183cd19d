"""The tests of rates and of room for clients, all of them, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.postgres import Postgres
from ..unit.lifecycle.test_quota import *  # noqa: F403
from ..unit.lifecycle.world import Database, connected
from ..unit.test_rates import *  # noqa: F403

pytestmark = pytest.mark.postgres


@pytest.fixture
def db(postgres: Postgres, tmp_path: Path) -> Iterator[Database]:
    with connected(postgres.database(), tmp_path) as made:
        yield made
