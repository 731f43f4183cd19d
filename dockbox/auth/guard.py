"""Who may call: a decision for each route, and the ``Origin`` of browsers' pages."""

from __future__ import annotations

from enum import Enum
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Request

from ..config import Config
from ..errors import Forbidden, HostNotAllowed, OriginNotAllowed, Unauthorized
from . import logins, shares, tokens
from .identity import EVERYBODY, Identity

SAFE = ("GET", "HEAD", "OPTIONS")
LOCAL = (".localhost", ".local", ".internal", ".home.arpa")  # RFC 6761, 6762, 8375, and ICANN's


class Need(Enum):
    """What a route asks for where ``AUTH`` is ``token``."""

    NOTHING = 0
    GUEST = 1  # a token, or the share of a dockbox
    TOKEN = 2  # and it shows what this token has made
    ADMIN = 3
    TERMINAL = 4  # as a guest; or a ticket, or either in the first message of ttyd's protocol


# A test fails when a route is missing here.
NEEDS = {
    "page.start": Need.NOTHING, "page.box": Need.NOTHING, "page.file": Need.NOTHING,
    "page.listing": Need.NOTHING, "page.badge": Need.NOTHING,
    "ops.health": Need.NOTHING, "ops.ready": Need.NOTHING, "ops.show_metrics": Need.ADMIN,
    "ops.description": Need.NOTHING,
    "session.log_in": Need.NOTHING, "session.show": Need.TOKEN, "session.log_out": Need.NOTHING,
    "dockboxes.create": Need.TOKEN, "dockboxes.index": Need.TOKEN, "dockboxes.show": Need.GUEST,
    "dockboxes.change": Need.TOKEN, "dockboxes.stop": Need.TOKEN, "dockboxes.resize": Need.TOKEN,
    "dockboxes.remove": Need.TOKEN, "dockboxes.events": Need.GUEST,
    "access.ticket": Need.GUEST, "access.share": Need.TOKEN, "access.list_shares": Need.TOKEN,
    "access.unshare": Need.TOKEN, "terminal.connect": Need.TERMINAL,
    "files.show": Need.TOKEN, "files.write": Need.TOKEN, "files.remove": Need.TOKEN,
}  # fmt: skip


def identify(request: Request, config: Config) -> Identity | None:
    """Who calls; ``None`` where the route asks for nothing, or a terminal's client is still to say.

    Raises ``Unauthorized`` or ``Forbidden``.
    """
    # an unknown address has no endpoint, and an endpoint of nobody's is for nobody
    need = NEEDS.get(request.endpoint, Need.ADMIN) if request.endpoint else Need.NOTHING
    if need is Need.NOTHING or request.method == "OPTIONS":
        return None
    identity = _identity(request, config)
    if identity is None and need is Need.TERMINAL:
        return None
    if identity is None:
        raise Unauthorized()
    if need is Need.ADMIN and not identity.admin:
        raise Forbidden("That takes an admin token.")
    if need is Need.TOKEN and identity.share:
        raise Forbidden("That takes a token; a share is for the terminal.")
    return identity


def _identity(request: Request, config: Config) -> Identity | None:
    """Who has the token, the share or the cookie that came; ``None`` if none did."""
    header = request.headers.get("Authorization")
    scheme, _, credentials = (header or "").partition(" ")
    credentials = credentials.strip()
    if config.auth == "none":
        # a share says what its holder may do, even where anybody else may do all
        return shares.verify(credentials) if credentials.startswith(shares.PREFIX) else EVERYBODY
    if header is None:
        cookie = _cookie(request)
        return logins.verify(cookie) if cookie else None
    if scheme.lower() != "bearer":
        raise Unauthorized()
    return verify(credentials)


def _cookie(request: Request) -> str | None:
    """The session of a browser that sends nothing else."""
    shown = "Authorization" in request.headers or "ticket" in request.args
    return None if shown else request.cookies.get(logins.COOKIE)


def verify(credentials: str) -> Identity:
    """Who has this token, or the secret of this share.  Raises ``Unauthorized``."""
    if credentials.startswith(shares.PREFIX):
        return shares.verify(credentials)
    return tokens.verify(credentials)


def check_host(request: Request, config: Config) -> None:
    """Raise ``HostNotAllowed`` where a page of another site may have taken this server's place.

    Its name can be made to lead here after it was loaded (DNS rebinding), and then it has our
    origin.  A cookie does not come with it; but without tokens all would be open to it.  Nobody
    can do that with an address, nor with a name that public name servers do not have.
    """
    if config.auth == "token" or "*" in config.allowed_origins:
        return
    host = urlsplit(f"//{request.host}").hostname or ""
    local = "." not in host or host.endswith(LOCAL) or _is_address(host)
    if not local and host not in {urlsplit(one).hostname for one in config.allowed_origins}:
        raise HostNotAllowed()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def check_origin(request: Request, config: Config) -> None:
    """Raise ``OriginNotAllowed`` for a page of another site that may not talk to this server.

    Checked on WebSockets, which browsers open to anywhere, and on all that changes something.
    A request without ``Origin`` comes from no browser's page, so it has no cookie either.
    """
    origin = request.headers.get("Origin")
    websocket = request.headers.get("Upgrade", "").lower() == "websocket"
    if request.method in SAFE and not websocket:
        return
    cookie = config.auth == "token" and _cookie(request) is not None
    if origin is None:
        if cookie:
            raise OriginNotAllowed("A request with a session's cookie must have an Origin.")
        return
    if origin in config.allowed_origins or ("*" in config.allowed_origins and not cookie):
        return
    if urlsplit(origin).netloc.lower() != request.host.lower():
        raise OriginNotAllowed()
