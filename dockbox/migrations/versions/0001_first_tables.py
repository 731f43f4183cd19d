"""First tables."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "dockboxes",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("custom_id", sa.String(64), nullable=False, unique=True),
        sa.Column("container_id", sa.String(64)),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("ref", sa.Text),
        sa.Column("commit", sa.String(64)),
        sa.Column("subdir", sa.Text),
        sa.Column("image", sa.Text),
        sa.Column("language", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("error_code", sa.String(64)),
        sa.Column("progress", sa.Text),
        sa.Column("idle_timeout", sa.Integer, nullable=False),
        sa.Column("stops_at", sa.Double),
        sa.Column("owner", sa.String(36)),
        sa.Column("deleted_at", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("last_modified", sa.Double, nullable=False),
    )
    op.create_index("ix_dockboxes_queue", "dockboxes", ["state", "stops_at"])
    op.create_index("ix_dockboxes_owner", "dockboxes", ["owner"])
    op.create_index("ix_dockboxes_newest", "dockboxes", ["created_at", "id"])
    op.create_table(
        "workers",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("heartbeat", sa.Double, nullable=False),
    )
    op.create_table(
        "connections",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "dockbox_id",
            sa.String(36),
            sa.ForeignKey("dockboxes.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column(
            "worker_id",
            sa.String(36),
            sa.ForeignKey("workers.id", ondelete="CASCADE"),
            nullable=False,
        ),
    )
    op.create_index("ix_connections_dockbox_id", "connections", ["dockbox_id"])
    op.create_index("ix_connections_worker_id", "connections", ["worker_id"])
    installation = op.create_table(
        "installation",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("reconciled_at", sa.Double, nullable=False),
    )
    op.bulk_insert(installation, [{"id": str(uuid.uuid4()), "reconciled_at": 0.0}])


def downgrade() -> None:
    op.drop_table("installation")
    op.drop_table("connections")
    op.drop_table("workers")
    op.drop_table("dockboxes")
