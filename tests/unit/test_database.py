"""The database module on SQLite; what holds on PostgreSQL too is in tests/integration."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from dockbox import database
from dockbox.config import Config
from dockbox.errors import DatabaseUnavailable
from dockbox.models import iso

from .lifecycle.world import Database, connected

SETTINGS = {
    "ENVIRONMENT": "development", "PORT": "1", "DOCKER_SERVER_HOST": "unix:///nothing",
    "DATABASE_NAME": "n/me?x", "DATABASE_HOST": "db.example", "DATABASE_PORT": "5433",
    "DATABASE_USER": "me@home", "DATABASE_PASSWORD": "p@ss/word: with+signs%20",
    "MOUNT_POINT": "/x",
}  # fmt: skip


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with connected({"DATABASE_NAME": "boxes"}, tmp_path) as made:
        yield made


def test_whatever_is_in_a_login_reaches_the_driver_as_it_is(tmp_path: Path) -> None:
    url = database.url(Config.from_env(SETTINGS), tmp_path)
    assert (url.username, url.password) == ("me@home", "p@ss/word: with+signs%20")
    assert (url.host, url.port, url.database) == ("db.example", 5433, "n/me?x")
    assert "p@ss" not in str(url) and "p@ss" not in repr(url)


def test_an_empty_host_is_a_file_in_the_instance_folder(db: Database, tmp_path: Path) -> None:
    assert (tmp_path / "boxes.db").exists()


def test_sqlite_waits_for_writers_and_keeps_its_references(db: Database) -> None:
    assert db.one("PRAGMA journal_mode") == "wal"
    assert db.one("PRAGMA foreign_keys") == 1
    box = db.box()
    db.connection(box, db.worker())
    db.rows("DELETE FROM dockboxes")
    assert db.rows("SELECT * FROM connections") == []


def test_readers_then_writers_wait_for_each_other(db: Database) -> None:
    box = db.box(idle_timeout=0)

    def add() -> None:
        with database.transaction() as session:
            found = session.execute(text("SELECT idle_timeout FROM dockboxes")).scalar_one()
            time.sleep(0.01)
            session.execute(text("UPDATE dockboxes SET idle_timeout = :n"), {"n": found + 1})

    db.at_once([add] * 8)
    assert db.one("SELECT idle_timeout FROM dockboxes WHERE id = :id", id=box) == 8


def test_the_clock_is_the_time(db: Database) -> None:
    assert abs(db.now() - time.time()) < 5
    first = db.now()
    time.sleep(0.01)
    assert db.now() > first


def test_a_transaction_that_fails_leaves_nothing(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction() as session:
        session.execute(text("INSERT INTO workers (id, heartbeat) VALUES ('x', 0)"))
        raise ZeroDivisionError
    assert db.rows("SELECT * FROM workers") == []


def test_only_a_database_that_is_away_is_unavailable(db: Database, tmp_path: Path) -> None:
    db.box(custom_id="taken")
    with pytest.raises(IntegrityError):
        db.box(custom_id="taken")
    database.db.engine.dispose()
    for file in tmp_path.glob("boxes.db*"):
        file.unlink()
    (tmp_path / "boxes.db").mkdir()
    with pytest.raises(DatabaseUnavailable):
        db.box()


def test_times_are_shown_in_utc() -> None:
    assert iso(None) is None
    assert iso(0.0) == "1970-01-01T00:00:00.000Z"
    assert iso(1700000000.1239) == "2023-11-14T22:13:20.123Z"
