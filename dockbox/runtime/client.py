"""docker-py's client for the engine of the settings."""

from __future__ import annotations

import re
from typing import Any

from docker import APIClient
from docker.tls import TLSConfig
from requests import PreparedRequest, RequestException, Response
from urllib3.exceptions import HTTPError

from .. import metrics
from ..config import Config
from ..errors import RuntimeUnavailable

POOL = 64  # connections kept for the next calls
# The ends of addresses that say what is done; all else in them is a name or an id.
ACTIONS = {
    "json", "create", "start", "stop", "attach", "resize", "logs", "exec", "prune", "connect",
    "disconnect", "version", "info", "_ping", "wait", "kill", "df",
}  # fmt: skip


class MeasuredClient(APIClient):  # type: ignore[misc]  # docker-py has no types
    """docker-py's client, whose every request is measured at the one place they all pass."""

    def send(self, request: PreparedRequest, **more: Any) -> Response:
        what = operation(request)
        try:
            with metrics.DOCKER_SECONDS.labels(what).time():
                answer: Response = super().send(request, **more)
        except (RequestException, HTTPError, OSError, RuntimeUnavailable):
            metrics.DOCKER_ERRORS.labels(what, "none").inc()
            raise
        if answer.status_code >= 400:
            metrics.DOCKER_ERRORS.labels(what, answer.status_code).inc()
        return answer


def operation(request: PreparedRequest) -> str:
    """What a request does, such as ``containers_start``; one of few, whatever it is done to."""
    path = request.path_url.partition("?")[0].strip("/")
    kind, *rest = re.sub(r"^v[\d.]+/", "", path).split("/")
    if not rest:
        return kind.strip("_")
    action = rest[-1] if rest[-1] in ACTIONS else (request.method or "").lower()
    return f"{kind}_{action}"


def connect(config: Config, timeout: float) -> APIClient:
    """A client whose calls have ``timeout`` seconds; asks the engine for its version.

    Raises what docker-py raises.
    """
    return MeasuredClient(
        config.docker_server_host, timeout=timeout, max_pool_size=POOL, tls=_tls(config)
    )


def _tls(config: Config) -> TLSConfig | bool:
    folder = config.docker_cert_path
    if not config.docker_tls_verify or folder is None:
        return False
    pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
    return TLSConfig(client_cert=pair, ca_cert=str(folder / "ca.pem"), verify=True)
