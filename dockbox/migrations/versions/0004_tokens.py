"""API tokens, whose dockboxes are whose, and tickets for WebSockets."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
PRESENT = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(12), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("admin", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("last_used_at", sa.Double),
        sa.Column("revoked_at", sa.Double),
    )
    op.create_table(
        "tickets",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column(
            "dockbox_id",
            sa.String(36),
            sa.ForeignKey("dockboxes.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("token_id", sa.String(12), sa.ForeignKey("tokens.id", ondelete="CASCADE")),
        sa.Column("expires_at", sa.Double, nullable=False, index=True),
    )
    op.add_column("dockboxes", sa.Column("token_id", sa.String(12)))
    op.create_index(
        "ix_dockboxes_token",
        "dockboxes",
        ["token_id", "created_at", "id"],
        postgresql_where=PRESENT,
        sqlite_where=PRESENT,
    )


def downgrade() -> None:
    op.drop_index("ix_dockboxes_token", "dockboxes")
    op.drop_column("dockboxes", "token_id")
    op.drop_table("tickets")
    op.drop_table("tokens")
