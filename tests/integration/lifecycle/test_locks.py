"""Somebody who is frozen in the middle of a transaction has the lock that others need."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import psycopg2
import pytest

from ...support.internals import Rows, on_two_workers
from ...support.run import ROOT, Run
from ...support.server import Server
from ...support.waiting import eventually
from .conftest import Cluster


@contextmanager
def locked(cluster: Cluster, id: str) -> Iterator[None]:
    """The dockbox's row, with SQLite the whole database."""
    settings = cluster.server.settings
    if cluster.postgres:
        parts = {"dbname": "NAME", "host": "HOST", "port": "PORT", "user": "USER"}
        login = {key: settings[f"DATABASE_{name}"] for key, name in parts.items()}
        with closing(psycopg2.connect(password=settings["DATABASE_PASSWORD"], **login)) as one:
            with one.cursor() as cursor:
                cursor.execute("SELECT * FROM dockboxes WHERE id = %s FOR UPDATE", (id,))
                cursor.execute("SELECT * FROM workers FOR KEY SHARE")
                yield
            one.rollback()
        return
    path = ROOT / "instance" / f"{settings['DATABASE_NAME']}.db"
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_terminals_go_on_while_another_has_the_lock(
    cluster: Cluster, server: Server, rows: Rows, url: str
) -> None:
    id, other = server.create(url)["id"], server.create(url)["id"]
    with on_two_workers(server, id) as pair, ThreadPoolExecutor() as pool:
        for terminal in pair:
            terminal.run("answer=42")
        beat = "SELECT min(heartbeat) FROM workers"
        with locked(cluster, other):
            waiting = pool.submit(server.delete, f"/v1/dockbox/{other}")
            for _ in range(5):
                for terminal in pair:
                    assert terminal.run("echo $answer", timeout=5) == "42\n"
            if cluster.postgres:
                before = rows.one(beat)
                eventually(lambda: rows.one(beat) > before, 15, "both heartbeats")
        assert waiting.result(30).status_code in (204, 503)
        assert server.box(id)["connections"] == 2


@pytest.mark.postgres
@pytest.mark.parametrize("cluster", ["postgres"], indirect=True)
def test_the_locks_of_a_server_that_is_frozen_end(run: Run, server: Server) -> None:
    ask = (
        "from wsgi import app; from dockbox.database import transaction\n"
        "from sqlalchemy import text\n"
        "with app.app_context(), transaction() as session:\n"
        "    for name in ('idle_in_transaction_session_timeout', 'lock_timeout'):\n"
        "        print(session.scalar(text(f'SHOW {name}')))"
    )
    settings = run.environment(**server.settings)
    command = [sys.executable, "-c", ask]
    done = subprocess.run(
        command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["10s", "5s"], done.stderr
