"""A browser's session: logged in with a token, and known by a cookie."""

from __future__ import annotations

from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue

from ..auth import logins, tokens
from ..errors import BadRequest
from . import payload
from .bounds import damped
from .common import audit, services

blueprint = Blueprint("session", __name__, url_prefix="/v1/session")


@blueprint.post("")
def log_in() -> ResponseReturnValue:
    token = payload.fields(request, "token").get("token")
    if not isinstance(token, str):
        raise BadRequest("The field 'token' must be a token's text.")
    config = services().config
    with damped(token):
        g.identity = identity = tokens.verify(token)
    audit("log in", None)
    answer = jsonify({"auth": config.auth, "token": identity.token, "admin": identity.admin})
    # Secure: over plain HTTP a browser would send it to whoever pretends to be this server; in
    # development there is no TLS
    answer.set_cookie(
        logins.COOKIE, logins.create(identity, config.session_lifetime),
        max_age=config.session_lifetime, httponly=True, samesite="Strict",
        secure=config.production or request.is_secure,
    )  # fmt: skip
    return answer, 201, {"Cache-Control": "no-store"}


@blueprint.get("")
def show() -> ResponseReturnValue:
    identity, auth = g.identity, services().config.auth
    return jsonify({"auth": auth, "token": identity.token, "admin": identity.admin})


@blueprint.delete("")
def log_out() -> ResponseReturnValue:
    logins.end(request.cookies.get(logins.COOKIE, ""))
    answer = jsonify({})
    answer.status_code = 204
    answer.delete_cookie(logins.COOKIE, httponly=True, samesite="Strict")
    return answer
