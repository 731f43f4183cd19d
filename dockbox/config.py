"""Settings: a frozen ``Config`` read from the environment once, at start."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from . import settings as read
from .errors import BadConfig

REQUIRED = (
    "ENVIRONMENT",
    "PORT",
    "DOCKER_SERVER_HOST",
    "DATABASE_NAME",
    "DATABASE_HOST",
    "DATABASE_PORT",
    "DATABASE_USER",
    "DATABASE_PASSWORD",
    "MOUNT_POINT",
)
# Embedded SQLite needs none of these, so there they may be set to nothing.
MAY_BE_EMPTY = {"DATABASE_HOST", "DATABASE_PORT", "DATABASE_USER", "DATABASE_PASSWORD"}
PACKAGED_IMAGES = Path(__file__).parent / "environment" / "images.toml"


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings, parsed: seconds and bytes.  Names are the variables', lower-case."""

    environment: str
    port: int
    docker_server_host: str
    database_name: str
    database_host: str
    database_port: int | None
    database_user: str
    database_password: str = field(repr=False)
    mount_point: Path

    docker_tls_verify: bool = False
    docker_cert_path: Path | None = None
    host: str = ""
    web_concurrency: int = 1
    runtime: str = "engine"
    idle_timeout: int = 60
    stop_grace: int = 3
    create_wait: float = 45
    stall_timeout: float = 10
    scrollback_bytes: int = 262144
    ping_interval: float = 15
    source_timeout: float = 300
    source_max_bytes: int = 2 * 1024**3
    source_max_files: int = 200_000
    pull_timeout: float = 600
    private_sources: tuple[str, ...] = ()
    source_ssh_key: str = ""
    images_file: Path = PACKAGED_IMAGES
    allowed_images: tuple[str, ...] = ()
    container_memory: int = 1024**3
    container_cpus: float = 1
    container_pids: int = 512
    container_runtime: str = ""
    container_files: int = 16384
    container_disk: int = 10 * 1024**3
    container_network: str = "dockbox"
    allowed_origins: tuple[str, ...] = ()
    max_dockboxes: int = 0
    max_running: int = 0
    max_connections: int = 0
    max_box_connections: int = 100
    max_fetches: int = 16
    max_pulls: int = 4
    create_rate: int = 0
    upload_max_bytes: int = 100 * 1024**2
    auth: str = "none"
    session_lifetime: int = 7 * 24 * 3600
    proxies: int = 0
    gc_after_days: float = 0
    gc_container_days: float = 0
    gc_failed_days: float = 0
    images_high: int = 0
    images_low: int = 60
    log_format: str = "text"
    log_level: str = "info"

    @property
    def production(self) -> bool:
        return self.environment == "production"

    @property
    def sqlite(self) -> bool:
        return self.database_host == ""

    @property
    def bind(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read ``environ`` (default ``os.environ``).

        Raises ``BadConfig`` with one message that names every missing and every bad variable.
        """
        env = os.environ if environ is None else environ
        missing = [n for n in REQUIRED if n not in env or (not env[n] and n not in MAY_BE_EMPTY)]
        if env.get("DATABASE_HOST"):
            missing += [n for n in sorted(MAY_BE_EMPTY) if n in env and not env[n]]
        values: dict[str, Any] = {}
        bad: list[str] = []
        for name, parse in PARSERS.items():
            if name not in env or name in missing or (env[name] == "" and name not in REQUIRED):
                continue
            try:
                values[name.lower()] = parse(env[name])
            except ValueError as error:
                bad.append(f"{name} {error}")
        production = values.get("environment") == "production"
        bad += _bad_tls(env, values)
        if 0 < values.get("images_high", 0) <= values.get("images_low", cls.images_low):
            bad.append("IMAGES_HIGH must be 0, or more than IMAGES_LOW")
        if missing or bad:
            parts = [f"missing: {', '.join(missing)}"] if missing else []
            parts += [f"bad: {'; '.join(bad)}"] if bad else []
            raise BadConfig("Bad settings: " + ". ".join(parts))
        values.setdefault("auth", "token" if production else "none")
        values.setdefault("create_rate", 30 if production else 0)
        values.setdefault("log_format", "json" if production else "text")
        values.setdefault("host", "0.0.0.0" if production else "127.0.0.1")
        values.setdefault("web_concurrency", (os.cpu_count() or 1) if production else 1)
        return cls(**values)


def _bad_tls(env: Mapping[str, str], values: Mapping[str, Any]) -> list[str]:
    """What is wrong with the settings of TLS taken together: half of it would be none."""
    verify, path = env.get("DOCKER_TLS_VERIFY"), env.get("DOCKER_CERT_PATH")
    if path and not verify:
        return ["DOCKER_CERT_PATH needs DOCKER_TLS_VERIFY=1"]
    if verify and not path:
        return ["DOCKER_TLS_VERIFY needs DOCKER_CERT_PATH"]
    if verify and not values.get("docker_server_host", "tcp://").startswith("tcp://"):
        return ["DOCKER_TLS_VERIFY needs a DOCKER_SERVER_HOST of tcp://host:port"]
    return []


PARSERS: dict[str, Callable[[str], Any]] = {
    "ENVIRONMENT": read.choice("development", "production"),
    "PORT": read.number(int, 1, 65535),
    "DOCKER_SERVER_HOST": read.docker_host,
    "DATABASE_NAME": str,
    "DATABASE_HOST": str,
    "DATABASE_PORT": read.database_port,
    "DATABASE_USER": str,
    "DATABASE_PASSWORD": str,
    "MOUNT_POINT": read.absolute,
    "DOCKER_TLS_VERIFY": read.yes,
    "DOCKER_CERT_PATH": read.certificates,
    "HOST": str,
    "WEB_CONCURRENCY": read.number(int, 1, 1024),
    "RUNTIME": read.choice("engine"),
    "IDLE_TIMEOUT": read.number(int, 0),
    "STOP_GRACE": read.number(int, 0),
    "CREATE_WAIT": read.number(float, 0),
    "STALL_TIMEOUT": read.number(float, 0.1),
    "SCROLLBACK_BYTES": read.size,
    "PING_INTERVAL": read.number(float, 0.1),
    "SOURCE_TIMEOUT": read.number(float, 1),
    "SOURCE_MAX_BYTES": read.size,
    "SOURCE_MAX_FILES": read.number(int, 1),
    "PULL_TIMEOUT": read.number(float, 1),
    "PRIVATE_SOURCES": read.private_sources,
    "SOURCE_SSH_KEY": str,
    "IMAGES_FILE": read.absolute,
    "ALLOWED_IMAGES": read.words,
    "CONTAINER_MEMORY": read.size,
    "CONTAINER_CPUS": read.number(float, 0.01),
    "CONTAINER_PIDS": read.number(int, 1),
    "CONTAINER_RUNTIME": str,
    "CONTAINER_FILES": read.number(int, 64),
    "CONTAINER_DISK": read.size,
    "CONTAINER_NETWORK": read.network,
    "ALLOWED_ORIGINS": read.words,
    "MAX_DOCKBOXES": read.number(int, 0),
    "MAX_RUNNING": read.number(int, 0),
    "MAX_CONNECTIONS": read.number(int, 0),
    "MAX_BOX_CONNECTIONS": read.number(int, 0),
    "MAX_FETCHES": read.number(int, 1),
    "MAX_PULLS": read.number(int, 1),
    "CREATE_RATE": read.number(int, 0),
    "UPLOAD_MAX_BYTES": read.size,
    "AUTH": read.choice("none", "token"),
    "SESSION_LIFETIME": read.number(int, 60),
    "PROXIES": read.number(int, 0, 10),
    "GC_AFTER_DAYS": read.number(float, 0),
    "GC_CONTAINER_DAYS": read.number(float, 0),
    "GC_FAILED_DAYS": read.number(float, 0),
    "IMAGES_HIGH": read.number(int, 0, 100),
    "IMAGES_LOW": read.number(int, 0, 100),
    "LOG_FORMAT": read.choice("text", "json"),
    "LOG_LEVEL": read.choice("debug", "info", "warning", "error"),
}
assert {name.lower() for name in PARSERS} == {field.name for field in fields(Config)}
