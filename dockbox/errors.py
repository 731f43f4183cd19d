"""Every error that dockbox raises on purpose.

What do you want from this file?  To raise: pick the class whose docstring says what
happened and give one clear sentence.  To catch: ``DockboxError`` is everything that a
caller may be told; anything else is a bug and becomes a 500 without details.

The docstring is the default message, ``status`` the HTTP status, ``code`` the stable
machine-readable name (snake_case of the class).  ``retry_after`` are the seconds after which it
may be different; every 429 and 503 has them.  A message never holds a credential, a path of
the server or an exception's repr.
"""

from __future__ import annotations

import re


class DockboxError(Exception):
    """Something went wrong inside dockbox."""

    status = 500
    retry_after: int | None = None

    def __init__(self, message: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])
        if retry_after is not None:
            self.retry_after = retry_after

    @property
    def message(self) -> str:
        return str(self.args[0])

    @property
    def code(self) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    def as_dict(self) -> dict[str, str]:
        return {"error": self.message, "code": self.code}


class BadConfig(DockboxError):
    """The settings are missing or wrong."""


class WrongTables(DockboxError):
    """The database's tables are not those that this version of dockbox can work with."""


# --- what the caller sent -------------------------------------------------------------------


class BadRequest(DockboxError):
    """The request cannot be understood."""

    status = 400


class Unauthorized(DockboxError):
    """A valid token is needed."""

    status = 401


class Forbidden(DockboxError):
    """That is not allowed."""

    status = 403


class OriginNotAllowed(Forbidden):
    """Requests from this origin are not allowed."""


class HostNotAllowed(Forbidden):
    """With AUTH=none, this server answers to this name only if ALLOWED_ORIGINS has it."""


class NotFound(DockboxError):
    """There is no such dockbox."""

    status = 404


class NoSuchFile(NotFound):
    """The dockbox has no such file or folder."""


class LinkNotFollowed(Forbidden):
    """This is a link, or the way leads through one: links are not followed."""


class AlreadyThere(DockboxError):
    """There is something of this name already."""

    status = 412


class NoRoom(DockboxError):
    """The dockbox has no room left for this."""

    status = 507


class Conflict(DockboxError):
    """The dockbox is in a state that does not allow this."""

    status = 409


class NameTaken(Conflict):
    """Another dockbox has this name."""


class NotRunning(Conflict):
    """The dockbox is not running."""


class Stopped(Conflict):
    """The dockbox was stopped."""


class DiskFull(Conflict):
    """The dockbox holds far more than this server allows: it can only be deleted."""


class PayloadTooLarge(DockboxError):
    """The request's body is too large."""

    status = 413


class QuotaExceeded(DockboxError):
    """Too many dockboxes, or too many clients in them."""

    status = 429
    retry_after = 60


class TooManyRequests(DockboxError):
    """Too many requests."""

    status = 429
    retry_after = 60


class Busy(DockboxError):
    """This server has too much to do."""

    status = 503
    retry_after = 30


# --- sources: code in -----------------------------------------------------------------------


class BadSource(DockboxError):
    """This is not a source URL that dockbox understands."""

    status = 400


class SourceForbidden(DockboxError):
    """This source is not allowed."""

    status = 403


class SourceTooLarge(DockboxError):
    """The source is larger than this server allows."""

    status = 413


class FetchFailed(DockboxError):
    """The source could not be fetched."""

    status = 400


class FetchTimeout(FetchFailed):
    """The source could not be fetched in time."""


class StorageFailed(DockboxError):
    """The server's storage is full or cannot be written."""

    status = 503
    retry_after = 60


# --- runtime: everything behind docker-py ---------------------------------------------------


class ImageForbidden(DockboxError):
    """This image is not allowed."""

    status = 403


class ImageUnavailable(DockboxError):
    """The image cannot be had."""

    status = 502


class RuntimeUnavailable(DockboxError):
    """Docker cannot be reached."""

    status = 503
    retry_after = 5


class RuntimeFailed(DockboxError):
    """Docker refused the operation."""

    status = 502


class ContainerGone(DockboxError):
    """The container does not exist any more."""

    status = 409


class DatabaseUnavailable(DockboxError):
    """The database cannot be reached."""

    status = 503
    retry_after = 5


class Cancelled(DockboxError):
    """The dockbox was deleted meanwhile."""

    status = 409
