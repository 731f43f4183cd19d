"""Which tables a server may work with; on SQLite, since the statements are everybody's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask_migrate import downgrade

from dockbox import schema
from dockbox.errors import WrongTables

from .lifecycle.world import Database, connected


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with connected({"DATABASE_NAME": "boxes"}, tmp_path) as made:
        yield made


def of_a_newer_version(db: Database, compatible_from: str) -> None:
    db.rows("UPDATE alembic_version SET version_num = '9999'")
    db.rows("UPDATE installation SET compatible_from = :since", since=compatible_from)


def test_of_its_own_tables_there_is_nothing_to_say(db: Database) -> None:
    assert schema.check() == ""


def test_older_tables_are_refused_with_the_command_that_helps(db: Database) -> None:
    downgrade(directory=str(schema.MIGRATIONS), revision="0004")
    with pytest.raises(WrongTables, match=r"they have 0004\. Run: flask --app wsgi db upgrade"):
        schema.check()


def test_a_database_without_tables_is_refused_in_the_same_way(db: Database) -> None:
    downgrade(directory=str(schema.MIGRATIONS), revision="base")
    with pytest.raises(WrongTables, match="flask --app wsgi db upgrade"):
        schema.check()


def test_newer_tables_do_while_their_release_says_so(db: Database) -> None:
    of_a_newer_version(db, schema.wanted())
    assert "newer version, with which this one works: 9999" in schema.check()
    of_a_newer_version(db, "9998")
    with pytest.raises(WrongTables, match=r"server of 9998 or later .* This one is of"):
        schema.check()


def test_in_development_too_newer_tables_are_left_as_they_are(db: Database, tmp_path: Path) -> None:
    of_a_newer_version(db, schema.wanted())
    with connected({"DATABASE_NAME": "boxes"}, tmp_path) as again:
        assert again.one("SELECT version_num FROM alembic_version") == "9999"


def test_revisions_are_numbers_that_can_be_compared_as_text() -> None:
    files = sorted(path.name for path in (schema.MIGRATIONS / "versions").glob("*.py"))
    assert [name[:5] for name in files] == [f"{n:04}_" for n in range(1, len(files) + 1)]
    for name in files:
        text = (schema.MIGRATIONS / "versions" / name).read_text()
        assert re.search(rf'^revision = "{name[:4]}"$', text, re.MULTILINE)
