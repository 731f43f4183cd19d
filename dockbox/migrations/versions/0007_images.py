"""The images that dockbox has pulled, which it may remove again."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "images",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("used_at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("images")
