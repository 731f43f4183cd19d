"""The tables that there are against those that this version was made for.

Tables change in two steps (DEVELOPERS.md): a release adds what is new, a later one removes what
is old.  So servers may be older than the tables; ``Installation.compatible_from`` says how much.
"""

from __future__ import annotations

import contextlib
import fcntl
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import Migrate, upgrade
from sqlalchemy import select
from sqlalchemy.orm import Session

from .config import Config
from .database import db, transaction
from .errors import DatabaseUnavailable, WrongTables
from .models import Installation

MIGRATIONS = Path(__file__).parent / "migrations"
migrate = Migrate()


def init_app(app: Flask, config: Config) -> None:
    """Give ``app`` the command ``flask db``; in development, bring the tables up to date."""
    migrate.init_app(app, db, directory=str(MIGRATIONS))
    if not config.production:
        with app.app_context():
            _upgrade(Path(app.instance_path))


def _upgrade(instance: Path) -> None:
    # Several workers start at once: the lock lets one of them migrate while the others wait.
    with open(instance / ".migrations.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # where it is away, whoever needs it says so: a command, or a server that waits for it
        with contextlib.suppress(DatabaseUnavailable):
            with transaction(reads=True) as session:
                older = _older(_found(session))
            if older:
                upgrade(directory=str(MIGRATIONS))


def wanted() -> str:
    """The revision of the tables that this version was made for."""
    return str(_scripts().get_current_head())


def check() -> str:
    """See that this version can work with the database's tables; what is to be said of them.

    That is nothing where they are its own.  Raises ``WrongTables``, ``DatabaseUnavailable``.
    """
    ours = wanted()
    with transaction(reads=True) as session:
        theirs = _found(session)
        if theirs == ours:
            return ""
        if _older(theirs):
            raise WrongTables(
                f"The database's tables are not up to date: revision {ours} is needed, they have"
                f" {theirs or 'none'}. Run: flask --app wsgi db upgrade"
            )
        since = session.execute(select(Installation.compatible_from)).scalar_one()
    if since > ours:
        raise WrongTables(
            f"The database's tables are of a newer version of dockbox: of revision {theirs}, for"
            f" which a server of {since} or later is needed. This one is of {ours}."
        )
    return f"The database's tables are of a newer version, with which this one works: {theirs}."


def _found(session: Session) -> str | None:
    """The revision of the database's tables; ``None`` where there are none."""
    return MigrationContext.configure(session.connection()).get_current_revision()


def _older(revision: str | None) -> bool:
    """Whether this version's migrations lead on from there; they do not know newer ones."""
    known = {script.revision for script in _scripts().walk_revisions()}
    return revision is None or revision in known - {wanted()}


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(MIGRATIONS))
