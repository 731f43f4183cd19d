"""gunicorn's lines in the form of all others, without what clients have sent."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import Any

import gunicorn.glogging

from . import logs
from .refusals import Refusals


class ServerLog(gunicorn.glogging.Logger):  # type: ignore[misc]
    """``form`` is that of the log; ``refusals`` is there once the worker is."""

    form = "text"
    refusals: Refusals | None = None

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in [*self.error_log.handlers, *self.access_log.handlers]:
            handler.setFormatter(logs.formatter(self.form))

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if self.refusals and str(msg).startswith("Invalid request from ip="):
            # what follows quotes the request; what kind of error it is, tells enough
            kind = sys.exc_info()[0]
            address = str(msg).removeprefix("Invalid request from ip=").split(": ")[0]
            name = kind.__name__ if kind else "InvalidRequest"
            self.refusals.note(name, address=address)
        else:
            super().warning(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if str(msg).startswith("Error handling request"):
            msg, args = "Error handling a request", ()  # the rest is its address, with the query
        super().exception(msg, *args, **kwargs)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """A line about a request that is over; a WebSocket's has the status 101."""
        if not self.access_log_enabled:
            return
        method, route = environ.get("REQUEST_METHOD", "-"), environ.get(logs.ROUTE) or "-"
        fields = {
            "method": method, "route": route, "status": int((resp.status or "101").split()[0]),
            "ms": round(request_time.total_seconds() * 1000), "bytes": resp.sent,
            "address": environ.get("REMOTE_ADDR"), **environ.get(logs.ABOUT, {}),
        }  # fmt: skip
        self.access_log.info("%s %s", method, route, extra={"fields": fields})

    def over(self, resp: Any, req: Any, environ: dict[str, Any], began: datetime) -> None:
        """A request is over: gunicorn itself says nothing of a WebSocket."""
        if resp is not None and resp.status is None and "HTTP_UPGRADE" in environ:
            self.access(resp, req, environ, datetime.now() - began)
        logs.begin({})
