"""The socket route: a WebSocket to a dockbox's terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from flask import Blueprint, Flask, g, request
from flask_sock import Sock
from simple_websocket import Server

from .. import tokens
from ..errors import NotFound, Unauthorized
from ..lifecycle.lookup import find
from ..terminal import protocol
from .common import lookup, services

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
    g.id = _dockbox((request.view_args or {})["key"])
    rows, cols = request.args.get("rows"), request.args.get("cols")
    g.size = protocol.size_of_text(rows, cols) if rows or cols else None
    # permessage-deflate costs CPU for each byte and hundreds of kB for each connection
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


def _dockbox(key: str) -> str:
    """The id of the dockbox that is asked for.

    Browsers' WebSockets send no header: they have a ticket in the URL, or ttyd's protocol with a
    token in the first message.  Until that has come, nobody learns which dockboxes there are.
    """
    if g.identity is None and "ticket" in request.args:
        g.identity, dockbox = tokens.take_ticket(request.args["ticket"])
        if lookup(key).id != dockbox:
            raise NotFound()
    if g.identity is None:
        offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        if "tty" not in map(str.strip, offered):
            raise Unauthorized()
        box = find(key)
        return box.id if box else key
    return lookup(key).id


def _admit(key: str) -> Callable[[str], str | None]:
    """What lets a client in that shows its token later.  The result raises ``DockboxError``."""

    def admit(token: str) -> str | None:
        g.identity = tokens.verify(token)
        lookup(key)
        return cast(str | None, g.identity.token)

    return admit


@sock.route("/<key>", bp=blueprint)  # type: ignore[untyped-decorator]
def connect(ws: Server, key: str) -> None:
    token = g.identity.token if g.identity else None
    try:
        services().visits.serve(
            g.id, ws.sock, ws.ws, protocol.choose(ws.subprotocol), g.size, token,
            None if g.identity else _admit(key),
        )  # fmt: skip
    finally:
        ws.connected = False  # nothing is left to be closed
