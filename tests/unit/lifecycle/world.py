"""A database as the product opens it, and short ways to put things in and to look."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import text

from dockbox import database, schema
from dockbox.config import Config
from dockbox.lifecycle import queue, workers

Result = TypeVar("Result")


def new() -> str:
    return str(uuid.uuid4())


class Database:
    """Rows by SQL; ``at_once`` makes calls in threads, each with a connection of its own."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def rows(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        with database.transaction() as session:
            result: Any = session.execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def one(self, statement: str, **values: object) -> Any:
        rows = self.rows(statement, **values)
        return rows[0][0] if rows else None

    def now(self) -> float:
        with database.transaction() as session:
            return float(session.execute(database.clock().select()).scalar_one())

    def box(self, state: str = "running", **values: object) -> str:
        """A new dockbox; its id."""
        id = str(uuid.uuid4())
        columns: dict[str, object] = {
            "id": id, "custom_id": id, "source": "https://example.com/x", "state": state,
            "idle_timeout": 60, "created_at": 1.0, "last_modified": 1.0, **values,
        }  # fmt: skip
        names, marks = ", ".join(columns), ", ".join(f":{name}" for name in columns)
        self.rows(f"INSERT INTO dockboxes ({names}) VALUES ({marks})", **columns)
        return id

    def worker(self, age: float = 0) -> str:
        """A worker that was last heard of ``age`` seconds ago."""
        id = str(uuid.uuid4())
        workers.beat(id)
        self.rows("UPDATE workers SET heartbeat = heartbeat - :age WHERE id = :id", age=age, id=id)
        return id

    def connection(self, box: str, worker: str) -> str:
        """A connection to ``box``, whatever its state; the connection's id."""
        id = str(uuid.uuid4())
        self.rows(
            "INSERT INTO connections (id, dockbox_id, worker_id) VALUES (:id, :box, :worker)",
            id=id, box=box, worker=worker,
        )  # fmt: skip
        return id

    def state(self, box: str) -> str | None:
        found: str | None = self.one("SELECT state FROM dockboxes WHERE id = :id", id=box)
        return found

    def owner(self, box: str) -> str | None:
        found: str | None = self.one("SELECT owner FROM dockboxes WHERE id = :id", id=box)
        return found

    def seconds_left(self, box: str) -> float | None:
        """Until the queue stops it; ``None`` when it is not in the queue."""
        stops_at = self.one("SELECT stops_at FROM dockboxes WHERE id = :id", id=box)
        return None if stops_at is None else stops_at - self.now()

    def connections(self, box: str) -> int:
        return queue.count([box]).get(box, 0)

    def at_once(self, calls: Sequence[Callable[[], Result]]) -> list[Result]:
        def run(call: Callable[[], Result]) -> Result:
            with self._app.app_context():
                return call()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(run, calls))


@contextmanager
def connected(settings: Mapping[str, str], instance: Path) -> Iterator[Database]:
    """The database that ``settings`` name, opened and migrated as by the product."""
    others = ("DATABASE_HOST", "DATABASE_PORT", "DATABASE_USER", "DATABASE_PASSWORD")
    config = Config.from_env({
        "ENVIRONMENT": "development", "PORT": "1", "DOCKER_SERVER_HOST": "unix:///nothing",
        "MOUNT_POINT": str(instance), **dict.fromkeys(others, ""), **settings,
    })  # fmt: skip
    app = Flask(__name__, instance_path=str(instance))
    database.init_app(app, config)
    schema.init_app(app, config)
    with app.app_context():
        try:
            yield Database(app)
        finally:
            database.db.engine.dispose()
