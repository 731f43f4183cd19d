"""What the doctor says of a database alone; the rest needs an engine: tests/security/network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockbox import __version__
from dockbox.doctor import FAILS, OK, WARNS, server
from dockbox.schema import wanted

from .lifecycle.world import Database, connected

NOTHING: Any = None  # these checks look at no setting


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with connected({"DATABASE_NAME": "boxes"}, tmp_path) as made:
        yield made


def test_workers_of_several_versions_are_a_warning_until_the_older_ones_are_gone(
    db: Database,
) -> None:
    assert list(server.versions(NOTHING)) == []
    db.worker()
    [found] = server.versions(NOTHING)
    assert (found.state, f"1 of {__version__}" in found.what) == (OK, True)
    older = db.worker()
    db.rows("UPDATE workers SET version = NULL WHERE id = :id", id=older)
    [found] = server.versions(NOTHING)
    assert (found.state, "1 of unknown" in found.what) == (WARNS, True)
    db.rows("UPDATE workers SET heartbeat = heartbeat - 60 WHERE id = :id", id=older)
    assert [found.state for found in server.versions(NOTHING)] == [OK]


def test_tables_of_another_version_are_told_apart(db: Database) -> None:
    assert [found.state for found in server.tables(NOTHING)] == [OK]
    db.rows("UPDATE alembic_version SET version_num = '9999'")
    db.rows("UPDATE installation SET compatible_from = :ours", ours=wanted())
    assert [found.state for found in server.tables(NOTHING)] == [WARNS]
    db.rows("UPDATE installation SET compatible_from = '9998'")
    assert [found.state for found in server.tables(NOTHING)] == [FAILS]
