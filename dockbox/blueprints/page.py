"""The web page: for browsers at ``/`` and at a dockbox's own address, and its files."""

from __future__ import annotations

from functools import cache

from flask import Blueprint, Response, abort, jsonify, request
from flask.typing import ResponseReturnValue

from ..assets import BADGE, Asset, Assets

blueprint = Blueprint("page", __name__)
# Styles may be inline since xterm.js writes its own, and can neither sign them nor do without.
# Whoever got one in could still load nothing from elsewhere.
POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self' 'unsafe-inline'",
        "connect-src 'self'", "img-src 'self' data:", "font-src 'self'", "manifest-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        "require-trusted-types-for 'script'", "trusted-types 'none'",
    )
)  # fmt: skip
FOR_EVER = "public, max-age=31536000, immutable"
DAY = "public, max-age=86400"
START, TERMINAL = "views/start.js", "views/terminal.js"
BOXES, FILES = "views/boxes.js", "views/files.js"


@cache
def assets() -> Assets:
    """The files, read once."""
    return Assets()


@cache
def _page(view: str) -> Asset:
    return assets().page("boot.js", "app.js", view)


@blueprint.get("/")
def start() -> ResponseReturnValue:
    if not _browser():
        answer = jsonify({"message": "Hello from dockbox API"})
        answer.vary.add("Accept")
        return answer
    return _show(START)


@blueprint.get("/<key>")
def box(key: str) -> ResponseReturnValue:
    """The page finds out by itself, and with the caller's rights, whether there is such a box."""
    if not _browser():
        abort(404)
    return _show(TERMINAL)


@blueprint.get("/~boxes")
@blueprint.get("/~files/<key>")
def listing(key: str = "") -> ResponseReturnValue:
    """A list: of dockboxes, or of the files of one.  No dockbox's name begins with a ``~``."""
    if not _browser():
        abort(404)
    return _show(FILES if key else BOXES)


@blueprint.get("/static/<version>/<path:name>")
def file(version: str, name: str) -> ResponseReturnValue:
    found = assets().files.get(name) or abort(404)
    answer = _send(found)
    # While servers are replaced one by one, a page of one may ask another for its files.
    if version == assets().version:
        answer.headers["Cache-Control"] = FOR_EVER
    return answer


@blueprint.get("/badge.svg")
def badge() -> ResponseReturnValue:
    """For the pages of others: an image at an address that stays."""
    answer = _send(assets().files[BADGE])
    answer.headers["Cache-Control"] = DAY
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer


def _browser() -> bool:
    """Whether a page is asked for by name: curl's ``*/*`` does not ask for one."""
    return any(kind == "text/html" for kind in request.accept_mimetypes.values())


def _show(view: str) -> Response:
    answer = _send(_page(view))
    answer.headers["Content-Security-Policy"] = POLICY
    answer.vary.add("Accept")
    return answer


def _send(asset: Asset) -> Response:
    packed = request.accept_encodings["gzip"] > 0
    answer = Response(asset.packed if packed else asset.content, content_type=asset.kind)
    if packed:
        answer.headers["Content-Encoding"] = "gzip"
    answer.vary.add("Accept-Encoding")
    return answer
