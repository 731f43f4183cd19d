"""Indexes that hold only the rows that are looked for, and one for the list of one state."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

PRESENT = "deleted_at IS NULL"
INDEXES = [
    ("newest", ["created_at", "id"], PRESENT),
    ("state", ["state", "created_at", "id"], PRESENT),
    ("queue", ["state", "stops_at"], "state = 'running' AND stops_at IS NOT NULL AND deleted_at IS NULL"),
    ("attended", ["state"], "state = 'running' AND stops_at IS NULL AND deleted_at IS NULL"),
    (
        "unfinished",
        ["owner"],
        "(owner IS NOT NULL OR deleted_at IS NOT NULL OR state IN ('creating', 'stopping'))",
    ),
]
BEFORE = [
    ("queue", ["state", "stops_at"]),
    ("owner", ["owner"]),
    ("newest", ["created_at", "id"]),
]


def upgrade() -> None:
    for name, _ in BEFORE:
        op.drop_index(f"ix_dockboxes_{name}", "dockboxes")
    for name, columns, rows in INDEXES:
        op.create_index(
            f"ix_dockboxes_{name}",
            "dockboxes",
            columns,
            postgresql_where=sa.text(rows),
            sqlite_where=sa.text(rows),
        )


def downgrade() -> None:
    for name, _, _ in INDEXES:
        op.drop_index(f"ix_dockboxes_{name}", "dockboxes")
    for name, columns in BEFORE:
        op.create_index(f"ix_dockboxes_{name}", "dockboxes", columns)
