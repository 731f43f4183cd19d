"""CRUD of dockboxes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from flask import Blueprint, Response, g, jsonify, request, stream_with_context
from flask.typing import ResponseReturnValue
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from .. import errors, logs
from ..database import transaction
from ..lifecycle.lookup import find, page
from ..models import Dockbox
from ..terminal.protocol import size
from . import payload
from .bounds import creates_of_address, creates_of_token
from .common import audit, lookup, resource, services

blueprint = Blueprint("dockboxes", __name__, url_prefix="/v1/dockbox")
KEEPALIVE = 15  # seconds without an event before a comment keeps balancers from hanging up


@blueprint.post("")
@creates_of_address
@creates_of_token
def create() -> ResponseReturnValue:
    config = services().config
    order = replace(payload.order(request, config), token=g.identity.token)
    wait = payload.wait(request, config.create_wait)
    id, work = services().provision.begin(order)
    logs.note(dockbox=id)
    audit("create", id, source=order.source.public_url)
    work.join(wait)
    box = find(id)
    if box is not None and box.state == "failed":
        _forget(id)
        raise _as_error(box)
    body = resource(id) | {"message": "Successfully created dockbox"}
    if body["state"] == "creating":
        body["message"] = "The dockbox is being created"
    status = 202 if body["state"] == "creating" else 201
    return jsonify(body), status, {"Location": f"/v1/dockbox/{id}"}


def _forget(id: str) -> None:
    """Who waited is told of the failure by the answer, so the row has nothing to say."""
    with transaction() as session:
        session.execute(delete(Dockbox).where(Dockbox.id == id, Dockbox.state == "failed"))


def _as_error(box: Dockbox) -> errors.DockboxError:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.DockboxError):
            error = kind(box.error)
            if error.code == box.error_code:
                return error
    return errors.DockboxError(box.error)


@blueprint.get("")
def index() -> ResponseReturnValue:
    mine = None if g.identity.admin else g.identity.token
    items, last = page(*payload.paging(request), mine)
    return jsonify({"items": items, "next": payload.cursor(last) if last else None})


@blueprint.get("/<key>")
def show(key: str) -> ResponseReturnValue:
    return jsonify(resource(lookup(key).id))


@blueprint.patch("/<key>")
def change(key: str) -> ResponseReturnValue:
    body = payload.fields(request, "name", "idle_timeout")
    name, timeout = payload.name(body), payload.idle_timeout(body)
    id = lookup(key).id
    values: dict[str, object] = {"custom_id": name} if name else {}
    if timeout is not None:
        values["idle_timeout"] = timeout
        # null stays null: what is not in the queue does not get into it
        values["stops_at"] = Dockbox.stops_at - Dockbox.idle_timeout + timeout
    if values:
        try:
            with transaction() as session:
                there = update(Dockbox).where(Dockbox.id == id, Dockbox.deleted_at.is_(None))
                session.execute(there.values(**values))
        except IntegrityError:
            raise errors.NameTaken() from None
        audit("change", id, name=name, idle_timeout=timeout)
        services().watcher.nudge()
    return jsonify(resource(id))


@blueprint.post("/<key>/stop")
def stop(key: str) -> ResponseReturnValue:
    box = lookup(key)
    if box.state in ("running", "stopping"):
        audit("stop", box.id)
        services().control.stop(box.id)
    return jsonify(resource(box.id))


@blueprint.post("/<key>/resize")
def resize(key: str) -> ResponseReturnValue:
    body = payload.fields(request, "rows", "cols")
    wanted = size(body.get("rows"), body.get("cols"))
    box = lookup(key)
    if box.state != "running" or box.container_id is None:
        raise errors.NotRunning()
    services().runtime.resize(box.container_id, wanted.rows, wanted.cols)
    return "", 204


@blueprint.get("/<key>/events")
def events(key: str) -> ResponseReturnValue:
    id = lookup(key).id
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    reader, guests, followers = Reader(), services().guests, services().followers
    followers.take(id)
    guests.enter(reader, g.identity)

    def leave() -> None:
        guests.leave(reader)
        followers.leave(id)

    stream = stream_with_context(_events(id, reader))
    response = Response(stream, mimetype="text/event-stream", headers=headers)
    response.call_on_close(leave)
    return response


class Reader:
    """Who reads a stream of events, until its token or share is over."""

    closed = False

    def close(self, code: int, reason: str) -> None:
        self.closed = True


def _events(id: str, reader: Reader) -> Iterator[str]:
    shown, quiet = None, 0
    for box in services().watcher.follow(id, 1.0):
        if services().visits.closing or reader.closed:
            return  # the client connects again, as to any stream that ends without "deleted"
        quiet = quiet + 1 if box is None else 0
        if box is None:
            if quiet % KEEPALIVE == 0:
                yield ": still here\n\n"
            continue
        state = {name: value for name, value in box.items() if name != "progress"}
        if state != shown:
            shown = state
            yield _event("state", state)
        if box["progress"]:
            yield _event("progress", box["progress"])
    yield _event("deleted", {"id": id})


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


@blueprint.delete("/<key>")
def remove(key: str) -> ResponseReturnValue:
    id = lookup(key).id
    audit("delete", id)
    services().control.delete(id)
    return "", 204
