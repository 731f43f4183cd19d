"""Every request in the metrics."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request

from .. import metrics

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
NOWHERE = "none"  # the route of addresses that are none of ours


def register(app: Flask) -> None:
    """Before all other hooks, or what they refuse would not be measured."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    g.began = time.perf_counter()


def _end(response: Response) -> Response:
    rule = request.url_rule
    if rule and rule.websocket and response.status_code == 200:
        return response  # a terminal that has ended; those have metrics of their own
    method = request.method if request.method in METHODS else "other"
    route = rule.rule if rule else NOWHERE
    metrics.HTTP_REQUESTS.labels(method, route, response.status_code).inc()
    metrics.HTTP_SECONDS.labels(method, route).observe(time.perf_counter() - g.began)
    return response
