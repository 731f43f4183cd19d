"""HTTP: parse, call, serialise."""

from __future__ import annotations

import logging

from flask import Flask, Response, g, jsonify, request
from gunicorn.http.errors import ParseException  # a body in bad chunks, while it is read
from werkzeug.exceptions import HTTPException
from werkzeug.routing.exceptions import WebsocketMismatch
from wsproto.utilities import ProtocolError

from .. import logs, metrics
from ..auth.guard import check_host, check_origin, identify
from ..errors import BadRequest, DockboxError, PayloadTooLarge, Unauthorized
from . import access, bounds, dockboxes, files, measured, ops, page, session, terminal
from .common import services

log = logging.getLogger(__name__)
# A balancer may ask for them by any name, and they tell nothing.
OPERATORS = {"ops.health", "ops.ready"}
HSTS = 365 * 24 * 3600  # seconds
# The answers of an API; a page has its own policy.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def register(app: Flask) -> None:
    """Add every route, the checks before them and the one shape of errors."""
    measured.register(app)
    app.before_request(_admit)
    app.after_request(_harden)
    bounds.limiter.init_app(app)
    app.register_blueprint(ops.blueprint)
    app.register_blueprint(dockboxes.blueprint)
    app.register_blueprint(access.blueprint)
    app.register_blueprint(files.blueprint)
    app.register_blueprint(session.blueprint)
    app.register_blueprint(page.blueprint)
    terminal.register(app)
    app.register_error_handler(DockboxError, _ours)
    app.register_error_handler(ProtocolError, lambda _: _ours(BadRequest("Bad WebSocket request.")))
    app.register_error_handler(ParseException, lambda _: _ours(BadRequest("The body is broken.")))
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _bug)


def _admit() -> None:
    config = services().config
    request.environ[logs.ROUTE] = request.url_rule.rule if request.url_rule else None
    g.identity = None  # for whatever is said of a request that is refused
    check_origin(request, config)
    if request.endpoint not in OPERATORS:
        check_host(request, config)
    with bounds.damped(request.headers.get("Authorization")):
        g.identity = identify(request, config)


def _harden(response: Response) -> Response:
    """Tell browsers to do nothing with an answer that is not meant to be done with it."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = f"max-age={HSTS}"
    return response


def _ours(error: DockboxError) -> Response:
    metrics.HTTP_ERRORS.labels(error.code).inc()
    response = jsonify(error.as_dict())
    response.status_code = error.status
    if error.retry_after:
        response.headers["Retry-After"] = str(error.retry_after)
    if error.status in (401, 403):
        _note_refusal(error)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _note_refusal(error: DockboxError) -> None:
    services().refusals.note(
        error.code, method=request.method, path=request.path[:200], address=request.remote_addr
    )


def _http(error: HTTPException) -> Response:
    """Flask's own errors, such as an unknown address, in our shape."""
    if error.code == 413:
        return _ours(PayloadTooLarge())
    sentence = {
        404: "There is nothing at this address.",
        405: "This address does not do that.",
    }.get(error.code or 0, "The request cannot be understood.")
    if isinstance(error, WebsocketMismatch):
        sentence = "This address speaks WebSocket, and no other does."
    name = error.name.lower().replace(" ", "_")
    metrics.HTTP_ERRORS.labels(name).inc()
    response = jsonify({"error": sentence, "code": name})
    response.status_code = error.code or 500
    for header, value in error.get_headers():
        if header in ("Allow", "Location"):
            response.headers[header] = value
    return response


def _bug(error: Exception) -> Response:
    log.exception("unexpected error", exc_info=error)
    return _ours(DockboxError())
