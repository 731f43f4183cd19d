"""The socket route: a WebSocket to a dockbox's terminal."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, g, request
from flask_sock import Sock
from simple_websocket import Server

from ..auth import shares, tickets
from ..auth.guard import verify
from ..auth.identity import EVERYBODY, Identity
from ..errors import Busy, NotFound, Unauthorized
from ..lifecycle.visit import HELLO
from ..terminal import protocol
from .bounds import damped
from .common import audit, lookup, services

sock = Sock()
blueprint = Blueprint("terminal", __name__, url_prefix="/v1/dockbox/ws")


class NoThread:
    """In place of simple-websocket's reader: the one who serves the client reads."""

    name = ""

    def __init__(self, **_: Any) -> None:
        pass

    def start(self) -> None:
        pass


def register(app: Flask) -> None:
    """Add the route; only the handshake is left to simple-websocket."""
    app.config["SOCK_SERVER_OPTIONS"] = {"thread_class": NoThread, "subprotocols": ["tty"]}
    app.register_blueprint(blueprint)
    sock.init_app(app)


@blueprint.before_request
def prepare() -> None:
    """All that may be refused is refused here, before the upgrade, with an HTTP status."""
    rows, cols = request.args.get("rows"), request.args.get("cols")
    g.size = protocol.size_of_text(rows, cols) if rows or cols else None
    # after all else that may be refused, since a ticket is good once
    g.id = _dockbox((request.view_args or {})["key"])
    # permessage-deflate costs CPU for each byte and hundreds of kB for each connection
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


def _dockbox(key: str) -> str:
    """The id of the dockbox that is asked for, ``""`` until it is known who asks.

    Browsers' WebSockets send no header: they have a ticket in the URL, or ttyd's protocol with a
    token in the first message.  Before that, nobody learns which dockboxes there are.
    """
    # a ticket binds, too, where nobody needs one: it may be that of a share that only views
    if g.identity in (None, EVERYBODY) and "ticket" in request.args:
        with damped(request.args["ticket"]):
            g.identity, dockbox = tickets.take(request.args["ticket"])
        if lookup(key).id != dockbox:
            raise NotFound()
    if g.identity is not None:
        return lookup(key, services().room).id
    offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    if "tty" not in map(str.strip, offered):
        raise Unauthorized()
    if services().visits.crowded:
        raise Busy("Too many clients that have not shown a token yet.", int(HELLO))
    return ""


def _admit(credentials: str) -> tuple[str, Identity]:
    """Let a client of this request in that says only now who it is: see ``Admit``."""
    if g.identity is EVERYBODY and not credentials.startswith(shares.PREFIX):
        return g.id, g.identity
    with damped(credentials):
        g.identity = verify(credentials)
    g.id = lookup((request.view_args or {})["key"]).id
    audit("connect", g.id)
    return g.id, g.identity


@sock.route("/<key>", bp=blueprint)  # type: ignore[untyped-decorator]
def connect(ws: Server, key: str) -> None:
    if g.id:
        audit("connect", g.id)
    try:
        services().visits.serve(
            g.id, ws.sock, ws.ws, protocol.choose(ws.subprotocol), g.size, g.identity,
            _admit if g.identity in (None, EVERYBODY) else None,
        )  # fmt: skip
    finally:
        ws.connected = False  # nothing is left to be closed
        if g.id:
            audit("disconnect", g.id)
