"""Each request has an id: in the answer's ``X-Request-Id``, and in the lines that it causes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask

from . import logs

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "X-Request-Id"
WELL_FORMED = re.compile(r"[A-Za-z0-9._:=+/@-]{1,128}")
TRACE = re.compile(r"\bRoot=(1-[0-9a-f]{8}-[0-9a-f]{24})\b")  # of X-Amzn-Trace-Id


class RequestIds:
    """Begins what the log is about; an id that comes along counts if proxies are ``believed``."""

    def __init__(self, wsgi: WSGIApplication, believed: bool) -> None:
        self._wsgi, self._believed = wsgi, believed

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        id = (self._told(environ) if self._believed else None) or secrets.token_hex(8)
        environ[logs.ABOUT] = {"request": id}
        logs.begin(environ[logs.ABOUT])

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            return start_response(status, [*headers, (HEADER, id)], *error)

        return self._wsgi(environ, start)

    @staticmethod
    def _told(environ: WSGIEnvironment) -> str | None:
        id = environ.get("HTTP_X_REQUEST_ID", "")
        if WELL_FORMED.fullmatch(id):
            return str(id)
        trace = TRACE.search(environ.get("HTTP_X_AMZN_TRACE_ID", ""))
        return trace[1] if trace else None


def register(app: Flask, believed: bool) -> None:
    """Give each request of ``app`` an id."""
    app.wsgi_app = RequestIds(app.wsgi_app, believed)  # type: ignore[method-assign]
