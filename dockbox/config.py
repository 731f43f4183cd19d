"""Settings: a frozen ``Config`` read from the environment once, at start."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

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
CERTIFICATES = ("ca.pem", "cert.pem", "key.pem")  # the names that Docker's own command expects
PACKAGED_IMAGES = Path(__file__).parent / "environment" / "images.toml"


def _size(text: str) -> int:
    """Bytes from ``512``, ``64k``, ``1.5 GiB``; units are powers of 1024, as Docker's are."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", text.strip().lower())
    if not match:
        raise ValueError("is not a size such as 512m or 2 GiB")
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2] or " "))


def _number(
    kind: type[int | float], low: float, high: float = float("inf")
) -> Callable[[str], Any]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError("is not a number") from None
        if not low <= value <= high or value == float("inf"):
            bound = f"between {low:g} and {high:g}" if high != float("inf") else f"at least {low:g}"
            raise ValueError(f"must be {bound}")
        return value

    return parse


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be {' or '.join(allowed)}")
        return text

    return parse


def _docker_host(text: str) -> str:
    if re.fullmatch(r"[\w.-]+:\d+", text):
        return f"tcp://{text}"  # the original's spelling
    if not re.match(r"(unix:///|tcp://|ssh://)\S", text):
        raise ValueError("must be unix:///…, tcp://host:port, ssh://… or host:port")
    return text


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _private_sources(text: str) -> tuple[str, ...]:
    for item in _list(text):
        if "/" in item:
            try:
                ipaddress.ip_network(item, strict=False)
            except ValueError:
                raise ValueError(f"has {item!r}, which is not a CIDR") from None
    return _list(text)


def _absolute(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _yes(text: str) -> bool:
    if text.lower() in ("0", "false", "no", "off"):
        raise ValueError("must be 1, or empty: Docker itself takes any text for a yes")
    return True


def _certificates(text: str) -> Path:
    folder = _absolute(text)
    missing = [name for name in CERTIFICATES if not os.access(folder / name, os.R_OK)]
    if missing:
        raise ValueError(f"must be a folder with {', '.join(CERTIFICATES)}, all readable")
    return folder


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
    allowed_origins: tuple[str, ...] = ()
    max_dockboxes: int = 0
    max_running: int = 0
    auth: str = "none"

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
        if missing or bad:
            parts = [f"missing: {', '.join(missing)}"] if missing else []
            parts += [f"bad: {'; '.join(bad)}"] if bad else []
            raise BadConfig("Bad settings: " + ". ".join(parts))
        values.setdefault("auth", "token" if production else "none")
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


def _database_port(text: str) -> int | None:
    return None if text == "" else _number(int, 1, 65535)(text)


PARSERS: dict[str, Callable[[str], Any]] = {
    "ENVIRONMENT": _choice("development", "production"),
    "PORT": _number(int, 1, 65535),
    "DOCKER_SERVER_HOST": _docker_host,
    "DATABASE_NAME": str,
    "DATABASE_HOST": str,
    "DATABASE_PORT": _database_port,
    "DATABASE_USER": str,
    "DATABASE_PASSWORD": str,
    "MOUNT_POINT": _absolute,
    "DOCKER_TLS_VERIFY": _yes,
    "DOCKER_CERT_PATH": _certificates,
    "HOST": str,
    "WEB_CONCURRENCY": _number(int, 1, 1024),
    "RUNTIME": _choice("engine"),
    "IDLE_TIMEOUT": _number(int, 0),
    "STOP_GRACE": _number(int, 0),
    "CREATE_WAIT": _number(float, 0),
    "STALL_TIMEOUT": _number(float, 0.1),
    "SCROLLBACK_BYTES": _size,
    "PING_INTERVAL": _number(float, 0.1),
    "SOURCE_TIMEOUT": _number(float, 1),
    "SOURCE_MAX_BYTES": _size,
    "SOURCE_MAX_FILES": _number(int, 1),
    "PULL_TIMEOUT": _number(float, 1),
    "PRIVATE_SOURCES": _private_sources,
    "SOURCE_SSH_KEY": str,
    "IMAGES_FILE": _absolute,
    "ALLOWED_IMAGES": _list,
    "CONTAINER_MEMORY": _size,
    "CONTAINER_CPUS": _number(float, 0.01),
    "CONTAINER_PIDS": _number(int, 1),
    "CONTAINER_RUNTIME": str,
    "ALLOWED_ORIGINS": _list,
    "MAX_DOCKBOXES": _number(int, 0),
    "MAX_RUNNING": _number(int, 0),
    "AUTH": _choice("none", "token"),
}
assert {name.lower() for name in PARSERS} == {field.name for field in fields(Config)}
