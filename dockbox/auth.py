"""Who may call: a decision for each route, tokens, and the ``Origin`` of browsers' pages."""

from __future__ import annotations

from enum import Enum
from urllib.parse import urlsplit

from flask import Request

from . import tokens
from .config import Config
from .errors import Forbidden, OriginNotAllowed, Unauthorized
from .tokens import EVERYBODY, Identity

SAFE = ("GET", "HEAD", "OPTIONS")


class Need(Enum):
    """What a route asks for where ``AUTH`` is ``token``."""

    NOTHING = 0
    TOKEN = 1  # and it shows what this token has made
    ADMIN = 2
    TERMINAL = 3  # a token, a ticket, or the token in the first message of ttyd's protocol


# A test fails when a route is missing here.
NEEDS = {
    "ops.greeting": Need.NOTHING, "ops.health": Need.NOTHING, "ops.ready": Need.NOTHING,
    "ops.show_metrics": Need.ADMIN,
    "dockboxes.create": Need.TOKEN, "dockboxes.index": Need.TOKEN, "dockboxes.show": Need.TOKEN,
    "dockboxes.change": Need.TOKEN, "dockboxes.stop": Need.TOKEN, "dockboxes.resize": Need.TOKEN,
    "dockboxes.events": Need.TOKEN, "dockboxes.remove": Need.TOKEN,
    "dockboxes.ticket": Need.TOKEN, "terminal.connect": Need.TERMINAL,
}  # fmt: skip


def identify(request: Request, config: Config) -> Identity | None:
    """Who calls; ``None`` where the route asks for nothing, or a terminal's client is still to say.

    Raises ``Unauthorized`` or ``Forbidden``.
    """
    if config.auth == "none":
        return EVERYBODY
    # an unknown address has no endpoint, and an endpoint of nobody's is for nobody
    need = NEEDS.get(request.endpoint, Need.ADMIN) if request.endpoint else Need.NOTHING
    if need is Need.NOTHING or request.method == "OPTIONS":
        return None
    identity = _bearer(request)
    if identity is None and need is Need.TERMINAL:
        return None
    if identity is None:
        raise Unauthorized()
    if need is Need.ADMIN and not identity.admin:
        raise Forbidden("That takes an admin token.")
    return identity


def _bearer(request: Request) -> Identity | None:
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized()
    return tokens.verify(credentials.strip())


def check_origin(request: Request, config: Config) -> None:
    """Raise ``OriginNotAllowed`` for a page of another site that may not talk to this server.

    Checked on WebSockets, which browsers open to anywhere, and on all that changes something.
    A request without ``Origin`` comes from no browser's page.
    """
    origin = request.headers.get("Origin")
    websocket = request.headers.get("Upgrade", "").lower() == "websocket"
    if origin is None or (request.method in SAFE and not websocket):
        return
    if origin in config.allowed_origins or "*" in config.allowed_origins:
        return
    if urlsplit(origin).netloc.lower() != request.host.lower():
        raise OriginNotAllowed()
