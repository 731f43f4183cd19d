"""The size that each client has told."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("connections", sa.Column("rows", sa.Integer))
    op.add_column("connections", sa.Column("cols", sa.Integer))


def downgrade() -> None:
    op.drop_column("connections", "cols")
    op.drop_column("connections", "rows")
