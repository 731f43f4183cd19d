"""The tables.  Times are seconds since 1970 by the database's clock."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Double,
    ForeignKey,
    Index,
    String,
    Text,
    TextClause,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from .database import clock, db

# Which rows each index of dockboxes holds.  Statements use the same words, without parameters, or
# SQLite would not see that the index has what they look for; and it prefers an index by ``state``.
PRESENT = text("deleted_at IS NULL")
WAITING = text("state = 'running' AND stops_at IS NOT NULL AND deleted_at IS NULL")
ATTENDED = text("state = 'running' AND stops_at IS NULL AND deleted_at IS NULL")
UNFINISHED = text(
    "(owner IS NOT NULL OR deleted_at IS NOT NULL OR state IN ('creating', 'stopping'))"
)


def _index(name: str, columns: list[str], rows: TextClause) -> Index:
    return Index(f"ix_dockboxes_{name}", *columns, postgresql_where=rows, sqlite_where=rows)


def iso(seconds: float | None) -> str | None:
    """ISO 8601 in UTC with ``Z``."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


class Dockbox(db.Model):  # type: ignore[name-defined,misc]
    """A dockbox.

    ``owner`` is the worker that creates, stops or deletes it right now; when that worker is
    dead, any other finishes the work.  ``deleted_at`` hides the row until all is cleared away.
    ``token_id`` is the token that made it, null where none was asked for.  ``error`` is why it
    failed, or why dockbox stopped it; ``disk_bytes`` what it held when it was
    stopped for holding too much.
    """

    __tablename__ = "dockboxes"
    __table_args__ = (
        _index("newest", ["created_at", "id"], PRESENT),
        _index("state", ["state", "created_at", "id"], PRESENT),
        _index("token", ["token_id", "created_at", "id"], PRESENT),
        _index("queue", ["state", "stops_at"], WAITING),
        _index("attended", ["state"], ATTENDED),
        _index("unfinished", ["owner"], UNFINISHED),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    custom_id: Mapped[str] = mapped_column(String(64), unique=True)
    container_id: Mapped[str | None] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(Text)
    ref: Mapped[str | None] = mapped_column(Text)
    commit: Mapped[str | None] = mapped_column(String(64))
    subdir: Mapped[str | None] = mapped_column(Text)
    image: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default="creating")
    error: Mapped[str | None] = mapped_column(Text)
    error_code: Mapped[str | None] = mapped_column(String(64))
    progress: Mapped[str | None] = mapped_column(Text)
    idle_timeout: Mapped[int]
    stops_at: Mapped[float | None] = mapped_column(Double)
    owner: Mapped[str | None] = mapped_column(String(36))
    token_id: Mapped[str | None] = mapped_column(String(12))
    disk_bytes: Mapped[int | None] = mapped_column(BigInteger)
    deleted_at: Mapped[float | None] = mapped_column(Double)
    created_at: Mapped[float] = mapped_column(Double, default=clock())
    last_modified: Mapped[float] = mapped_column(Double, default=clock(), onupdate=clock())

    def as_dict(self, connections: int) -> dict[str, Any]:
        """The resource of the API."""
        plain = ("id", "custom_id", "container_id", "source", "ref", "commit", "subdir", "image")
        return {name: getattr(self, name) for name in plain} | {
            "language": self.language,
            "state": self.state,
            "error": self.error,
            "connections": connections,
            "idle_timeout": self.idle_timeout,
            "stops_at": iso(self.stops_at),
            "created_at": iso(self.created_at),
            "last_modified": iso(self.last_modified),
            "websocket": f"/v1/dockbox/ws/{self.id}",
        }


class Worker(db.Model):  # type: ignore[name-defined,misc]
    """A process that serves; it is dead when its heartbeat is old.

    ``version`` is dockbox's, null before there was such a column.
    """

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=lambda: str(uuid.uuid4()))
    heartbeat: Mapped[float] = mapped_column(Double, default=clock())
    version: Mapped[str | None] = mapped_column(String(32))


class Connection(db.Model):  # type: ignore[name-defined,misc]
    """A client in a dockbox's terminal, held by a worker, with the size that it has told.

    ``token_id`` is the token that let it in, if any.
    """

    __tablename__ = "connections"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    dockbox_id: Mapped[str] = mapped_column(
        ForeignKey("dockboxes.id", ondelete="CASCADE"), index=True
    )
    worker_id: Mapped[str] = mapped_column(ForeignKey("workers.id", ondelete="CASCADE"), index=True)
    token_id: Mapped[str | None] = mapped_column(String(12), index=True)
    rows: Mapped[int | None]
    cols: Mapped[int | None]


class Token(db.Model):  # type: ignore[name-defined,misc]
    """A token of the API, of which only the secret's hash is kept."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    hash: Mapped[str] = mapped_column(String(64))
    admin: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[float] = mapped_column(Double, default=clock())
    expires_at: Mapped[float | None] = mapped_column(Double)
    last_used_at: Mapped[float | None] = mapped_column(Double)
    revoked_at: Mapped[float | None] = mapped_column(Double)

    def as_dict(self) -> dict[str, Any]:
        """What the operator's command shows."""
        times = ("created_at", "expires_at", "last_used_at", "revoked_at")
        shown = {"id": self.id, "name": self.name, "admin": self.admin}
        return shown | {name: iso(getattr(self, name)) for name in times}


def _of_dockbox() -> Mapped[str]:
    return mapped_column(ForeignKey("dockboxes.id", ondelete="CASCADE"), index=True)


def _of_token() -> Mapped[Any]:
    return mapped_column(ForeignKey("tokens.id", ondelete="CASCADE"), index=True)


class Login(db.Model):  # type: ignore[name-defined,misc]
    """A browser that has shown a token, and has a cookie instead."""

    __tablename__ = "logins"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    token_id: Mapped[str] = _of_token()
    expires_at: Mapped[float] = mapped_column(Double, index=True)


class Share(db.Model):  # type: ignore[name-defined,misc]
    """Lets whoever has its secret in at one dockbox's terminal, to ``view`` or to ``type``.

    ``token_id`` is the token that made it, and without which it is worth nothing.
    """

    __tablename__ = "shares"

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    dockbox_id: Mapped[str] = _of_dockbox()
    token_id: Mapped[str | None] = _of_token()
    kind: Mapped[str] = mapped_column(String(8))
    hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[float] = mapped_column(Double, default=clock())
    expires_at: Mapped[float] = mapped_column(Double)

    def as_dict(self) -> dict[str, Any]:
        """What the API shows."""
        times = {"created_at": iso(self.created_at), "expires_at": iso(self.expires_at)}
        return {"id": self.id, "kind": self.kind} | times


class Ticket(db.Model):  # type: ignore[name-defined,misc]
    """Lets one WebSocket in at one dockbox, soon: for a token, or for a share."""

    __tablename__ = "tickets"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    dockbox_id: Mapped[str] = _of_dockbox()
    token_id: Mapped[str | None] = _of_token()
    share_id: Mapped[str | None] = mapped_column(ForeignKey("shares.id", ondelete="CASCADE"))
    expires_at: Mapped[float] = mapped_column(Double, index=True)


class Rate(db.Model):  # type: ignore[name-defined,misc]
    """How often something was done in a span of time that ends at ``expires_at``."""

    __tablename__ = "rates"

    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    count: Mapped[int]
    expires_at: Mapped[float] = mapped_column(Double, index=True)


class Image(db.Model):  # type: ignore[name-defined,misc]
    """An image that dockbox itself has pulled, by the name that it asked for.

    ``used_at`` is when a container was last made of it.
    """

    __tablename__ = "images"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    used_at: Mapped[float] = mapped_column(Double, default=clock())


class Installation(db.Model):  # type: ignore[name-defined,misc]
    """The one row that all servers of one database share; its id labels their containers.

    ``compatible_from`` is the oldest revision whose servers can work with these tables.
    """

    __tablename__ = "installation"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    reconciled_at: Mapped[float] = mapped_column(Double)
    compatible_from: Mapped[str] = mapped_column(String(32))
