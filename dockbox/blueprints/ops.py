"""For operators and their machines: health, ready, metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gevent
from flask import Blueprint, Response, copy_current_request_context, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from ..database import transaction
from ..errors import DatabaseUnavailable, DockboxError
from ..metrics.exposition import render
from ..models import Installation
from .common import services

blueprint = Blueprint("ops", __name__)
READY_TIMEOUT = 2.0  # seconds for each of the two
DESCRIPTION = (Path(__file__).parent.parent / "openapi.json").read_bytes()


@blueprint.get("/health")
def health() -> ResponseReturnValue:
    return Response("Server Functional!", mimetype="text/plain")


@blueprint.get("/ready")
def ready() -> ResponseReturnValue:
    checks = {"database": _database, "docker": lambda: services().runtime.ping(READY_TIMEOUT)}
    jobs = {
        name: gevent.spawn(copy_current_request_context(_check), check)
        for name, check in checks.items()
    }
    gevent.joinall(list(jobs.values()))
    found = {name: job.get() for name, job in jobs.items()}
    if set(found.values()) == {"ok"}:
        return jsonify(found)
    return jsonify(found), 503, {"Retry-After": str(DatabaseUnavailable.retry_after)}


def _check(check: Callable[[], None]) -> str:
    try:
        check()
    except DockboxError as error:
        return error.message
    return "ok"


def _database() -> None:
    with gevent.Timeout(READY_TIMEOUT, DatabaseUnavailable()), transaction(reads=True) as session:
        session.execute(select(Installation.id))


@blueprint.get("/metrics")
def show_metrics() -> ResponseReturnValue:
    body, kind = render()
    return Response(body, content_type=kind)


@blueprint.get("/openapi.json")
def description() -> ResponseReturnValue:
    return Response(DESCRIPTION, mimetype="application/json")
