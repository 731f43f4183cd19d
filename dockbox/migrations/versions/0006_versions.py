"""Which servers may work with these tables, and of which version each worker is."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    oldest = sa.Column("compatible_from", sa.String(32), nullable=False, server_default="0004")
    op.add_column("installation", oldest)
    op.add_column("workers", sa.Column("version", sa.String(32)))


def downgrade() -> None:
    op.drop_column("workers", "version")
    op.drop_column("installation", "compatible_from")
