"""A database that holds a lot of dockboxes, and what a statement has read of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event, text

from dockbox.database import db, transaction

WORKERS = 20
# Of each hundred rows: ten wait to be stopped, one has two clients, one has failed; the rest is
# stopped.  A handful is being created, by workers that live.
FILL = (
    "DELETE FROM dockboxes",
    "DELETE FROM workers",
    """
    INSERT INTO workers (id, heartbeat)
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :workers)
    SELECT 'worker-' || i, :now FROM n
    """,
    """
    INSERT INTO dockboxes (id, custom_id, container_id, source, state, idle_timeout, stops_at,
                           owner, created_at, last_modified)
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :number)
    SELECT '00000000-0000-4000-8000-' || substr(cast(1000000000000 + i AS text), 2),
           'box-' || i, 'container-' || i, 'https://example.com/owner/repository-' || i,
           CASE WHEN i % 10000 = 3 THEN 'creating' WHEN i % 10 = 0 OR i % 100 = 1 THEN 'running'
                WHEN i % 100 = 2 THEN 'failed' ELSE 'stopped' END,
           60, CASE WHEN i % 10 = 0 THEN :now + 3600 + i END,
           CASE WHEN i % 10000 = 3 THEN 'worker-0' END, :now - i, :now - i
    FROM n
    """,
    """
    INSERT INTO connections (id, dockbox_id, worker_id)
    SELECT kind || substr(id, 2), id,
           'worker-' || cast(cast(substr(id, 25) AS integer) / 100 % :workers AS text)
    FROM dockboxes CROSS JOIN (SELECT 'a' AS kind UNION SELECT 'b') AS kinds
    WHERE state = 'running' AND stops_at IS NULL
    """,
)


def fill(number: int, now: float) -> None:
    """Have ``number`` dockboxes in the app's database, and nothing else; ``now`` by its clock."""
    with transaction() as session:
        values = {"workers": WORKERS, "number": number, "now": now}
        for statement in FILL:
            session.execute(text(statement), values)
    if db.engine.dialect.name == "sqlite":
        return  # nobody ever analyses that one
    with db.engine.connect() as connection:
        raw: Any = connection.connection
        raw.set_session(autocommit=True)
        raw.cursor().execute("VACUUM ANALYZE")
        raw.set_session(autocommit=False)


@dataclass(frozen=True)
class Plan:
    """How PostgreSQL ran one statement."""

    statement: str
    root: dict[str, Any]

    def nodes(self, root: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        node = root or self.root
        yield node
        for below in node.get("Plans", []):
            yield from self.nodes(below)

    def scanned(self) -> set[str]:
        """The tables that were read from one end to the other."""
        return {n["Relation Name"] for n in self.nodes() if n["Node Type"] == "Seq Scan"}

    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes() if "Index Name" in node}

    def read(self) -> int:
        """How many rows of tables were looked at, those that did not fit too."""
        return sum(
            round(node["Actual Loops"] * sum(v for k, v in node.items() if k in COUNTED))
            for node in self.nodes()
            if "Relation Name" in node and node["Node Type"] != "ModifyTable"
        )


COUNTED = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")


def statements(call: Callable[[], object]) -> list[str]:
    """The statements of a call."""
    seen: list[str] = []
    _listening(call, lambda cursor, statement, parameters: seen.append(statement))
    return seen


def plans(call: Callable[[], object]) -> list[Plan]:
    """How each statement of a call is run, at its turn, on PostgreSQL."""
    seen: list[Plan] = []

    def explain(cursor: Any, statement: str, parameters: Any) -> None:
        cursor.execute("SAVEPOINT explained")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        found = cursor.fetchone()[0]
        cursor.execute("ROLLBACK TO SAVEPOINT explained")
        found = json.loads(found) if isinstance(found, str) else found
        seen.append(Plan(statement, found[0]["Plan"]))

    _listening(call, explain)
    return seen


def sqlite_plans(call: Callable[[], object]) -> list[str]:
    """The lines of SQLite's plans for the statements of a call."""
    seen: list[str] = []

    def explain(cursor: Any, statement: str, parameters: Any) -> None:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        seen.extend(str(row[3]) for row in cursor.fetchall())

    _listening(call, explain)
    return seen


def _listening(
    call: Callable[[], object], hear: Callable[[Any, str, Sequence[object]], None]
) -> None:
    def before(_: Any, cursor: Any, statement: str, parameters: Any, *__: Any) -> None:
        hear(cursor, statement, parameters)

    event.listen(db.engine, "before_cursor_execute", before)
    try:
        call()
    finally:
        event.remove(db.engine, "before_cursor_execute", before)
