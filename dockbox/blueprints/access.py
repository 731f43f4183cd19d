"""Letting others, and browsers, into a dockbox's terminal: tickets and shares."""

from __future__ import annotations

from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue

from ..auth import shares, tickets
from . import payload
from .common import audit, lookup

blueprint = Blueprint("access", __name__, url_prefix="/v1/dockbox/<key>")
SECRET = {"Cache-Control": "no-store"}


@blueprint.post("/ticket")
def ticket(key: str) -> ResponseReturnValue:
    text = tickets.create(g.identity, lookup(key).id)
    # whose holder types: a page shows a share that only views as what it is
    body = {"ticket": text, "expires_in": tickets.LIFE, "types": g.identity.types}
    return jsonify(body), 201, SECRET


@blueprint.post("/shares")
def share(key: str) -> ResponseReturnValue:
    kind, lifetime = payload.share(request)
    id = lookup(key).id
    made, secret = shares.create(g.identity, id, kind, lifetime)
    audit("share", id, kind=kind, new_share=made.id)
    # behind the '#', what is not sent to any server, and gets into no log
    body = made.as_dict() | {"secret": secret, "link": f"{request.host_url}{id}#share={secret}"}
    return jsonify(body), 201, SECRET


@blueprint.get("/shares")
def list_shares(key: str) -> ResponseReturnValue:
    return jsonify({"items": [one.as_dict() for one in shares.of(lookup(key).id)]})


@blueprint.delete("/shares/<share>")
def unshare(key: str, share: str) -> ResponseReturnValue:
    id = lookup(key).id
    shares.revoke(id, share)
    audit("unshare", id, old_share=share)
    return "", 204
