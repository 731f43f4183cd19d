"""Alembic's entry: run the migrations on the application's own engine."""

from alembic import context
from flask import current_app
from sqlalchemy import text

db = current_app.extensions["migrate"].db

with db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        render_as_batch=True,
        # SQLite too can take tables back, since it is dockbox that begins its transactions
        transactional_ddl=True,
    )
    # Those who start together: one migrates, the others wait, and find nothing left to do.  On
    # SQLite the transaction itself sees to it.
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = 0"))  # others may take their time
            connection.execute(text("SELECT pg_advisory_xact_lock(3625281)"))  # dockbox's number
        context.run_migrations()
    if connection.in_transaction():
        connection.commit()
