"""The socket route: a WebSocket to a dockbox's terminal."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, g, request
from flask_sock import Sock
from simple_websocket import Server

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
    g.box = lookup((request.view_args or {})["key"])
    rows, cols = request.args.get("rows"), request.args.get("cols")
    g.size = protocol.size_of_text(rows, cols) if rows or cols else None
    # permessage-deflate costs CPU for each byte and hundreds of kB for each connection
    request.environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)


@sock.route("/<key>", bp=blueprint)  # type: ignore[untyped-decorator]
def connect(ws: Server, key: str) -> None:
    try:
        services().visits.serve(g.box.id, ws.sock, ws.ws, protocol.choose(ws.subprotocol), g.size)
    finally:
        ws.connected = False  # nothing is left to be closed
