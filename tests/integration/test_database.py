"""Tables are made, changed and taken away on both databases, by several at once too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect

from dockbox import models
from dockbox.database import MIGRATIONS, db

from ..support.internals import Rows
from ..support.run import ROOT, Run
from ..unit.lifecycle.world import connected

TABLES = {
    "dockboxes", "workers", "connections", "installation", "tokens", "tickets", "shares", "logins",
    "rates",
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


START = """
import sys
import dockbox.blueprints, dockbox.services
from dockbox import create_app
from dockbox.database import MIGRATIONS
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
