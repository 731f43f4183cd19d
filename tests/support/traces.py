"""What dockboxes leave on a machine: files, containers, rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing

import psycopg2

from .engine import Engine
from .run import ROOT
from .server import Server
from .waiting import eventually


def dump(settings: Mapping[str, str]) -> str:
    """Every table of the database, as text; of SQLite the raw files, freed pages included."""
    if not settings["DATABASE_HOST"]:
        files = sorted((ROOT / "instance").glob(f"{settings['DATABASE_NAME']}.db*"))
        return b"".join(file.read_bytes() for file in files).decode("latin-1")
    names = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    tables = [row[0] for row in query(settings, names)]
    return "\n".join(str(query(settings, f'SELECT * FROM "{table}"')) for table in tables)


def query(settings: Mapping[str, str], statement: str) -> list[tuple[object, ...]]:
    """The rows that ``statement`` gives."""
    if not settings["DATABASE_HOST"]:
        path = ROOT / "instance" / f"{settings['DATABASE_NAME']}.db"
        with closing(sqlite3.connect(path, timeout=20)) as connection:
            return list(connection.execute(statement))
    parts = {"dbname": "NAME", "host": "HOST", "port": "PORT", "user": "USER"}
    login = {key: settings[f"DATABASE_{name}"] for key, name in parts.items()}
    password = settings["DATABASE_PASSWORD"]
    with closing(psycopg2.connect(password=password, **login)) as connection:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())


def things(server: Server, engine: Engine) -> list[str]:
    """Files on the mount and containers, whoever's they are."""
    files = [f"file {path.name}" for path in server.mount.iterdir()]
    return files + [f"container {c['Names']}" for c in engine.client().api.containers(all=True)]


def traces(server: Server, engine: Engine) -> list[str]:
    """The same, and rows, those that the API hides included."""
    rows = query(server.settings, "SELECT id, state, error FROM dockboxes")
    return things(server, engine) + [f"row {row}" for row in rows]


def nothing_left(server: Server, engine: Engine, timeout: float = 30) -> None:
    """Wait until there is no trace of any dockbox."""
    eventually(lambda: not traces(server, engine), timeout, "no traces", every=0.1)
