"""What a request says, checked: every mistake is a ``BadRequest`` that names it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from flask import Request

from ..auth.shares import KINDS
from ..config import Config
from ..errors import BadRequest, PayloadTooLarge
from ..provision import Order
from ..sources import parse

STATES = ("creating", "stopped", "running", "stopping", "failed")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
LONGEST_NAME = 63  # so much of an unknown field's is repeated, too
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
RESERVED = {"ws", "health", "ready", "metrics"}  # addresses of something else
LONGEST_IDLE = 30 * 24 * 3600  # seconds
SHARED, LONGEST_SHARED = 24 * 3600, 365 * 24 * 3600  # seconds
MOST_ITEMS = 200


def fields(request: Request, *allowed: str) -> dict[str, Any]:
    """The JSON object of the body, with no other fields than ``allowed``; null is left out."""
    # A browser's page can post other types anywhere without asking; curl need not say the type.
    # longer bodies are refused by what they say; one in chunks says nothing, and is cut off here
    if len(request.get_data()) >= (request.max_content_length or float("inf")):
        raise PayloadTooLarge()
    try:
        body = request.get_json(force="Origin" not in request.headers, silent=True)
    except RecursionError:  # thousands of brackets
        body = None
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    unknown = sorted(set(body) - set(allowed))
    if unknown:
        known, first = ", ".join(allowed), unknown[0][:LONGEST_NAME]
        raise BadRequest(f"Unknown field: {first!r}. Known are {known}.")
    return {name: value for name, value in body.items() if value is not None}


def order(request: Request, config: Config) -> Order:
    """What a POST wants created; raises ``BadSource`` and ``SourceForbidden``, too."""
    body = fields(request, "url", "ref", "subdir", "image", "name", "idle_timeout")
    if "url" not in body:
        raise BadRequest("The field 'url' is missing.")
    source = parse(_text(body, "url") or "", _text(body, "ref"), _text(body, "subdir"))
    timeout = idle_timeout(body)
    return Order(
        source=source,
        image=_text(body, "image"),
        name=name(body),
        idle_timeout=config.idle_timeout if timeout is None else timeout,
    )


def _text(body: dict[str, Any], field: str) -> str | None:
    value = body.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRequest(f"The field '{field}' must be text.")
    return value or None


def name(body: dict[str, Any]) -> str | None:
    """The ``name`` that was asked for, fit to stand in a URL."""
    value = _text(body, "name")
    if value is None:
        return None
    if not NAME.fullmatch(value) or UUID.fullmatch(value) or value.lower() in RESERVED:
        raise BadRequest(
            "A name has 1 to 63 letters, digits, '-' and '_', begins with a letter or digit, "
            "and is not an id."
        )
    return value


def idle_timeout(body: dict[str, Any]) -> int | None:
    """Seconds in the deletion queue."""
    value = body.get("idle_timeout")
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= LONGEST_IDLE:
        raise BadRequest(f"idle_timeout must be a whole number from 0 to {LONGEST_IDLE}.")
    return value


def share(request: Request) -> tuple[str, int]:
    """What kind of share a POST wants, and for how many seconds."""
    body = fields(request, "kind", "expires_in")
    kind, lifetime = body.get("kind"), body.get("expires_in", SHARED)
    if kind not in KINDS:
        raise BadRequest(f"kind must be {' or '.join(KINDS)}.")
    if type(lifetime) is not int or not 1 <= lifetime <= LONGEST_SHARED:
        raise BadRequest(f"expires_in must be a whole number from 1 to {LONGEST_SHARED}.")
    return kind, lifetime


def wait(request: Request, default: float) -> float:
    """Seconds to wait, from ``Prefer`` (RFC 7240): ``wait=N`` or ``respond-async``."""
    preferences = [p.strip().lower() for p in request.headers.get("Prefer", "").split(",")]
    if "respond-async" in preferences:
        return 0
    for preference in preferences:
        match = re.fullmatch(r"wait\s*=\s*\"?(\d{1,6})\"?", preference)
        if match:
            return min(float(match[1]), 3600)
    return default


def paging(request: Request) -> tuple[int, tuple[float, str] | None, str | None]:
    """``limit``, ``after`` and ``state`` of a list."""
    limit = request.args.get("limit", "50")
    if not re.fullmatch(r"\d{1,4}", limit) or not 1 <= int(limit) <= MOST_ITEMS:
        raise BadRequest(f"limit must be a whole number from 1 to {MOST_ITEMS}.")
    state = request.args.get("state")
    if state is not None and state not in STATES:
        raise BadRequest(f"state must be one of {', '.join(STATES)}.")
    after = request.args.get("after")
    return int(limit), _read_cursor(after) if after else None, state


def cursor(key: tuple[float, str]) -> str:
    """An opaque, URL-safe form of a place in the list."""
    return base64.urlsafe_b64encode(f"{key[0]!r} {key[1]}".encode()).decode().rstrip("=")


def _read_cursor(text: str) -> tuple[float, str]:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        created, _, id = raw.decode().partition(" ")
        if not UUID.fullmatch(id):
            raise ValueError
        return float(created), id
    except (ValueError, binascii.Error):
        raise BadRequest("after must be the 'next' of an earlier answer.") from None
