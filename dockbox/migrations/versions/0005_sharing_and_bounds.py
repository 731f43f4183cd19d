"""Log-ins of browsers, shares, counted rates, whose connections are whose, and disk in use."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def _of_dockbox() -> "sa.Column[str]":
    key = sa.ForeignKey("dockboxes.id", ondelete="CASCADE")
    return sa.Column("dockbox_id", sa.String(36), key, nullable=False, index=True)


def _of_token(nullable: bool) -> "sa.Column[str]":
    key = sa.ForeignKey("tokens.id", ondelete="CASCADE")
    return sa.Column("token_id", sa.String(12), key, nullable=nullable, index=True)


def upgrade() -> None:
    op.create_table(
        "logins",
        sa.Column("hash", sa.String(64), primary_key=True),
        _of_token(nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False, index=True),
    )
    op.create_table(
        "shares",
        sa.Column("id", sa.String(12), primary_key=True),
        _of_dockbox(),
        _of_token(nullable=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_table(
        "rates",
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False, index=True),
    )
    # a ticket lives for half a minute: those of the old table need not outlive the change
    op.drop_table("tickets")
    op.create_table(
        "tickets",
        sa.Column("hash", sa.String(64), primary_key=True),
        _of_dockbox(),
        _of_token(nullable=True),
        sa.Column("share_id", sa.String(12), sa.ForeignKey("shares.id", ondelete="CASCADE")),
        sa.Column("expires_at", sa.Double, nullable=False, index=True),
    )
    op.add_column("connections", sa.Column("token_id", sa.String(12)))
    op.create_index("ix_connections_token_id", "connections", ["token_id"])
    op.add_column("dockboxes", sa.Column("disk_bytes", sa.BigInteger))


def downgrade() -> None:
    op.drop_column("dockboxes", "disk_bytes")
    op.drop_index("ix_connections_token_id", "connections")
    op.drop_column("connections", "token_id")
    op.drop_table("tickets")
    op.create_table(
        "tickets",
        sa.Column("hash", sa.String(64), primary_key=True),
        _of_dockbox(),
        sa.Column("token_id", sa.String(12), sa.ForeignKey("tokens.id", ondelete="CASCADE")),
        sa.Column("expires_at", sa.Double, nullable=False, index=True),
    )
    op.drop_table("rates")
    op.drop_table("shares")
    op.drop_table("logins")
