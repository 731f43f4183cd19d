"""Alembic's entry: run the migrations on the application's own engine."""

from alembic import context
from flask import current_app
from sqlalchemy import text

db = current_app.extensions["migrate"].db

with db.engine.connect() as connection:
    context.configure(connection=connection, target_metadata=db.metadata, render_as_batch=True)
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # Servers that start together: one migrates, the others wait.  The number is dockbox's.
            connection.execute(text("SET LOCAL lock_timeout = 0"))  # others may take their time
            connection.execute(text("SELECT pg_advisory_xact_lock(3625281)"))
        context.run_migrations()
    if connection.in_transaction():
        connection.commit()
