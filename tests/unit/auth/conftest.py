"""A database for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..lifecycle.world import Database, connected


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with connected({"DATABASE_NAME": "auth"}, tmp_path) as made:
        yield made
