"""docker-py's client for the engine of the settings."""

from __future__ import annotations

from docker import APIClient
from docker.tls import TLSConfig

from ..config import Config

POOL = 64  # connections kept for the next calls


def connect(config: Config, timeout: float) -> APIClient:
    """A client whose calls have ``timeout`` seconds; asks the engine for its version.

    Raises what docker-py raises.
    """
    return APIClient(
        config.docker_server_host, timeout=timeout, max_pool_size=POOL, tls=_tls(config)
    )


def _tls(config: Config) -> TLSConfig | bool:
    folder = config.docker_cert_path
    if not config.docker_tls_verify or folder is None:
        return False
    pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
    return TLSConfig(client_cert=pair, ca_cert=str(folder / "ca.pem"), verify=True)
