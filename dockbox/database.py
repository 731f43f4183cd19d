"""The database: one place for transactions, its clock, and the translation of its errors."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import BoundedSemaphore, local
from typing import Any

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL, Double, event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import GenericFunction

from . import metrics
from .config import Config
from .errors import DatabaseUnavailable, WrongTables

db = SQLAlchemy()
# Connections that a worker has at the most, opened as they are needed and kept: what goes beyond
# a pool's size would be opened and closed for each transaction.  Who finds all in use waits for
# POOL_TIMEOUT seconds.
POOL_SIZE, MAX_OVERFLOW, POOL_TIMEOUT = 10, 0, 10
# What a server that is frozen, or has lost its power, in the middle of a transaction may do to the
# others: its locks are gone after 10 s, and nobody waits for a lock longer than 5.
POSTGRESQL = {
    "connect_timeout": 5,
    "options": "-c idle_in_transaction_session_timeout=10000 -c lock_timeout=5000",
    "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 2,
}  # fmt: skip
OLD_TABLES = "The database's tables are not up to date. Run: flask --app wsgi db upgrade"
UNDEFINED = ("42P01", "42703")  # table and column, in PostgreSQL's codes
SQLITE_TIMEOUT = 10.0  # seconds that a writer waits for another


class clock(GenericFunction[float]):
    """Seconds since 1970 by the database's clock: the only one that all servers share.

    It is the time at which the statement began, so that an index can be searched for it.
    """

    type = Double()
    inherit_cache = True


@compiles(clock, "postgresql")
def _clock_postgresql(*_: Any, **__: Any) -> str:
    # not clock_timestamp(): what changes while a statement runs is compared with row after row
    return "extract(epoch from statement_timestamp())::float8"


@compiles(clock, "sqlite")
def _clock_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


def url(config: Config, instance: Path) -> URL:
    """SQLAlchemy's URL of the configured database."""
    if config.sqlite:
        return URL.create("sqlite", database=str(instance / f"{config.database_name}.db"))
    return URL.create(
        "postgresql+psycopg2", config.database_user, config.database_password,
        config.database_host, config.database_port, config.database_name,
    )  # fmt: skip


def init_app(app: Flask, config: Config) -> None:
    """Connect ``app`` to its database."""
    instance = Path(app.instance_path)
    if config.sqlite or not config.production:  # else the code may lie where nothing can be written
        instance.mkdir(parents=True, exist_ok=True)
    app.config["SQLALCHEMY_DATABASE_URI"] = url(config, instance)
    options: dict[str, Any] = {
        "pool_size": POOL_SIZE, "max_overflow": MAX_OVERFLOW, "pool_timeout": POOL_TIMEOUT,
    }  # fmt: skip
    if config.sqlite:
        options["connect_args"] = {"timeout": SQLITE_TIMEOUT}
    else:
        options |= {"pool_pre_ping": True, "connect_args": POSTGRESQL}
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db.init_app(app)
    if config.sqlite:
        with app.app_context():
            event.listen(db.engine, "connect", _sqlite_connect)
            event.listen(db.engine, "begin", _sqlite_begin)


def _sqlite_connect(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Any) -> None:
    # IMMEDIATE: two transactions that read and then write would otherwise fail, not wait.  Those
    # that only read wait for nobody.
    if connection.get_execution_options().get("reads"):
        connection.exec_driver_sql("BEGIN")
        return
    driver, end = connection.connection.driver_connection, time.monotonic() + SQLITE_TIMEOUT
    driver.execute("PRAGMA busy_timeout=0")  # SQLite's own waiting would hold all terminals up
    try:
        while not _begun(driver):
            if time.monotonic() > end:
                raise DatabaseUnavailable
            time.sleep(0.002)
    finally:
        driver.execute(f"PRAGMA busy_timeout={SQLITE_TIMEOUT * 1000:.0f}")


def _begun(driver: sqlite3.Connection) -> bool:
    """Whether a transaction that writes has begun; others may be writing."""
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            return False
        raise DatabaseUnavailable from error
    return True


# One connection of the pool is kept for those who are ``first``: a crowd that waits for the others
# must not make a worker seem dead.
_crowd = BoundedSemaphore(POOL_SIZE - 1)
_first = local()


@contextmanager
def first() -> Iterator[None]:
    """This greenlet's transactions do not wait for those of the crowd."""
    _first.served = True
    try:
        yield
    finally:
        _first.served = False


@contextmanager
def _turn() -> Iterator[None]:
    if getattr(_first, "served", False):
        yield
        return
    with metrics.DATABASE_WAIT_SECONDS.time():
        found = _crowd.acquire(timeout=POOL_TIMEOUT)
    if not found:
        raise PoolTimeout
    try:
        yield
    finally:
        _crowd.release()


@contextmanager
def transaction(reads: bool = False) -> Iterator[Session]:
    """A session for one short transaction, committed at the end; ``reads``: it changes nothing.

    Raises ``DatabaseUnavailable`` when the database cannot be reached, and ``WrongTables`` when it
    has not the tables.
    """
    try:
        engine = db.engine.execution_options(reads=True) if reads else db.engine
        with _turn(), _timed(reads), Session(engine, expire_on_commit=False) as session:
            with session.begin():
                yield session
    except PoolTimeout:
        metrics.DATABASE_ERRORS.labels("busy").inc()
        raise DatabaseUnavailable from None
    except DBAPIError as error:
        missing = _lacks_tables(error)
        operational = type(error).__name__ == "OperationalError"
        away = error.connection_invalidated or (operational and not missing)
        if not isinstance(error, IntegrityError):  # which is how a race ends
            metrics.DATABASE_ERRORS.labels("unavailable" if away else "refused").inc()
        if missing:
            raise WrongTables(OLD_TABLES) from error
        if away:
            raise DatabaseUnavailable from error
        raise


def _lacks_tables(error: DBAPIError) -> bool:
    """Whether a table, or a column of one, is missing."""
    if isinstance(error.orig, sqlite3.Error):  # which tells this only by its words
        return re.search("no such (table|column)|no column named", str(error.orig)) is not None
    return getattr(error.orig, "pgcode", None) in UNDEFINED


def _timed(reads: bool) -> AbstractContextManager[Any]:
    kind = "read" if reads else "write"
    timer: AbstractContextManager[Any] = metrics.DATABASE_SECONDS.labels(kind).time()
    return timer
