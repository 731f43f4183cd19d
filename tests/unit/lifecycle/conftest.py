"""The application's database, with its tables, and dockboxes in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import Database, connected


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with connected({"DATABASE_NAME": "boxes"}, tmp_path) as made:
        yield made
