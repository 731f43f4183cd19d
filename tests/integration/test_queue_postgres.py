"""The tests of the deletion queue and of workers, all of them, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.postgres import Postgres
from ..unit.lifecycle.test_queue import *  # noqa: F403
from ..unit.lifecycle.test_workers import *  # noqa: F403
from ..unit.lifecycle.world import Database, connected

pytestmark = pytest.mark.postgres


@pytest.fixture
def db(postgres: Postgres, tmp_path: Path) -> Iterator[Database]:
    with connected(postgres.database(), tmp_path) as made:
        yield made
