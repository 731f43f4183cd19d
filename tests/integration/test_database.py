"""Tables are made, changed and taken away on both databases, by several at once too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import downgrade, upgrade
from sqlalchemy import Column, MetaData, inspect, select

from dockbox import models, schema
from dockbox.database import db
from dockbox.errors import WrongTables
from dockbox.lifecycle import workers
from dockbox.schema import MIGRATIONS

from ..support.internals import Rows
from ..support.operator import operate
from ..support.run import ROOT, Run
from ..support.server import Server
from ..support.world import sqlite
from ..unit.lifecycle.world import connected

TABLES = {
    "dockboxes", "workers", "connections", "installation", "tokens", "tickets", "shares", "logins",
    "rates", "images",
}  # fmt: skip


def tables() -> set[str]:
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_the_migrations_make_what_the_models_say(database: dict[str, str], tmp_path: Path) -> None:
    assert models.Dockbox.metadata is db.metadata
    with connected(database, tmp_path), db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, db.metadata) == []


def test_the_migrations_go_down_and_up_again(database: dict[str, str], tmp_path: Path) -> None:
    with connected(database, tmp_path) as rows:
        assert tables() == TABLES
        first = rows.one("SELECT id FROM installation")
        downgrade(directory=str(MIGRATIONS), revision="base")
        assert tables() == set()
        upgrade(directory=str(MIGRATIONS))
        assert tables() == TABLES
        assert rows.one("SELECT id FROM installation") != first
        upgrade(directory=str(MIGRATIONS))
        assert rows.one("SELECT count(*) FROM installation") == 1


Content = dict[str, dict[str, list[object]]]  # of tables: the values of each column
FORGOTTEN = {"0005": {"tickets"}}  # by a migration: a ticket is good for half a minute


def test_each_migration_keeps_all_rows_on_its_way_up_down_and_up_again(
    database: dict[str, str], tmp_path: Path
) -> None:
    with connected(database, tmp_path):
        downgrade(directory=str(MIGRATIONS), revision="base")
        before: Content = {}
        for script in reversed(list(ScriptDirectory(str(MIGRATIONS)).walk_revisions())):
            revision, forgotten = script.revision, FORGOTTEN.get(script.revision, set())
            upgrade(directory=str(MIGRATIONS), revision=revision)
            assert_kept(before, content(), forgotten)
            if before:
                fill(f"up to {revision}")
                above = content()
                downgrade(directory=str(MIGRATIONS), revision=str(script.down_revision))
                below = content()
                assert {name: set(below[name]) for name in below} == {
                    name: set(before[name]) for name in before
                }
                assert_kept({name: above[name] for name in below}, below, forgotten)
                upgrade(directory=str(MIGRATIONS), revision=revision)
                assert_kept(below, content(), forgotten)
            fill(revision)
            before = content()


def content() -> Content:
    """All that is in the database, rows in the order of their first column."""
    metadata = MetaData()
    with db.engine.connect() as connection:
        metadata.reflect(connection)
        return {
            table.name: {
                column.name: list(connection.scalars(select(column).order_by(*table.primary_key)))
                for column in table.columns
            }
            for table in metadata.sorted_tables
            if table.name != "alembic_version"
        }


def fill(name: str) -> None:
    """Give each table one row more, with something in each column."""
    metadata = MetaData()
    with db.engine.begin() as connection:
        metadata.reflect(connection)
        for table in metadata.sorted_tables:
            if table.name not in ("alembic_version", "installation"):
                connection.execute(table.insert(), {c.name: some(c, name) for c in table.columns})


def some(column: Column[Any], name: str) -> object:
    """A value for a column: text is the same in all tables, so that it refers to the row there."""
    if column.type.python_type is str:
        return name[: getattr(column.type, "length", None) or 100]
    return column.type.python_type(len(name))


def assert_kept(before: Content, after: Content, forgotten: set[str]) -> None:
    """All rows of all tables, but of those ``forgotten``; columns may come and go."""
    assert before.keys() <= after.keys()
    for name in before.keys() - forgotten:
        for column in before[name].keys() & after[name].keys():
            assert after[name][column] == before[name][column], f"{name}.{column}"


START = """
import sys
import dockbox.blueprints, dockbox.services
from dockbox import create_app
from dockbox.schema import MIGRATIONS
from flask_migrate import upgrade
print("ready", flush=True)
sys.stdin.readline()
app = create_app()
if app.extensions["dockbox"].config.production:  # then tables are made by a command
    with app.app_context():
        upgrade(directory=str(MIGRATIONS))
"""


@pytest.mark.parametrize("environment", ["development", "production"])
def test_four_that_start_at_once_on_an_empty_database_all_succeed(
    run: Run, database: Mapping[str, str], tmp_path: Path, environment: str
) -> None:
    settings = run.environment(
        ENVIRONMENT=environment, AUTH="none", PORT="1", DOCKER_SERVER_HOST="unix:///nothing",
        MOUNT_POINT=str(tmp_path), **database,
    )  # fmt: skip
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", START]
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    command, cwd=ROOT, env=settings, text=True, stdin=pipe, stdout=pipe,
                    stderr=subprocess.STDOUT,
                )
            )
            for _ in range(4)
        ]  # fmt: skip
        for process in started:
            assert process.stdout and process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        for process in started:
            output, _ = process.communicate(timeout=90)
            assert process.returncode == 0, output
    rows = Rows(database)
    assert rows.one("SELECT count(*) FROM installation") == 1
    assert rows.one("SELECT count(*) FROM alembic_version") == 1


@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_server_ends_with_one_clear_line_where_it_cannot_work_with_the_tables(
    run: Run, tmp_path: Path, environment: str
) -> None:
    with sqlite() as database:
        if environment == "development":  # in which older ones are brought up to date
            make_newer(database, compatible_from="9998")
        server = Server(
            run, tmp_path, "unix:///nothing", database, environment=environment, web_concurrency=2
        )
        with pytest.raises(RuntimeError, match="the server ended at once"):
            server.start()
        assert server.process and server.process.wait(30) == 3
        said = {"development": "a newer version of dockbox", "production": "db upgrade"}
        assert server.log().count(said[environment]) == 1
        assert "Traceback" not in server.log()


def test_missing_tables_and_columns_are_not_taken_for_a_database_that_is_away(
    database: dict[str, str], tmp_path: Path
) -> None:
    with connected(database, tmp_path) as rows:
        downgrade(directory=str(MIGRATIONS), revision="base")
        with pytest.raises(WrongTables, match="Run: flask --app wsgi db upgrade"):
            workers.versions()
        upgrade(directory=str(MIGRATIONS))
        rows.rows("ALTER TABLE workers DROP COLUMN version")
        for call in (workers.versions, lambda: workers.beat("new")):  # one reads, one inserts
            with pytest.raises(WrongTables):
                call()


def test_a_command_without_tables_names_the_one_that_makes_them(
    database: dict[str, str], run: Run, tmp_path: Path
) -> None:
    there = Server(run, tmp_path, "unix:///nothing", database, environment="production")
    said = operate(run, there, "list")
    wanted = "Error: The database's tables are not up to date. Run: flask --app wsgi db upgrade\n"
    assert (said.returncode, said.stdout, said.stderr) == (1, "", wanted)


def test_a_server_goes_on_with_newer_tables_that_are_good_for_it(run: Run, tmp_path: Path) -> None:
    with sqlite() as database:
        make_newer(database, compatible_from=schema.wanted())
        server = Server(run, tmp_path, "unix:///nothing", database)
        server.start()
        try:
            assert server.get("/ready").json()["database"] == "ok"
        finally:
            server.kill()
        assert "of a newer version, with which this one works" in server.log()


def make_newer(database: Mapping[str, str], compatible_from: str) -> None:
    """Have tables of a revision that is not known yet, good for servers of ``compatible_from``."""
    with connected(database, ROOT / "instance") as rows:
        rows.rows("UPDATE alembic_version SET version_num = '9999'")
        rows.rows("UPDATE installation SET compatible_from = :since", since=compatible_from)
