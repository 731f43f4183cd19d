"""Who may call.  Until tokens exist, that is everybody whose browser page may (``Origin``)."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request

from .config import Config
from .errors import OriginNotAllowed

SAFE = ("GET", "HEAD", "OPTIONS")


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
