"""How the text of each setting is read; ``ValueError`` says what is wrong with it."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

CERTIFICATES = ("ca.pem", "cert.pem", "key.pem")  # the names that Docker's own command expects


def size(text: str) -> int:
    """Bytes from ``512``, ``64k``, ``1.5 GiB``; units are powers of 1024, as Docker's are."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", text.strip().lower())
    if not match:
        raise ValueError("is not a size such as 512m or 2 GiB")
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2] or " "))


def number(kind: type[int | float], low: float, high: float = float("inf")) -> Callable[[str], Any]:
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


def choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be {' or '.join(allowed)}")
        return text

    return parse


def docker_host(text: str) -> str:
    if re.fullmatch(r"[\w.-]+:\d+", text):
        return f"tcp://{text}"  # the original's spelling
    if not re.match(r"(unix:///|tcp://|ssh://)\S", text):
        raise ValueError("must be unix:///…, tcp://host:port, ssh://… or host:port")
    return text


def network(text: str) -> str:
    # Docker's device for it has the same name, and Linux takes no longer ones
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", text):
        raise ValueError("must have 1 to 15 letters, digits, '.', '-' and '_'")
    if text == "host":
        raise ValueError("must not be host, where containers would be the engine's host itself")
    return text


def words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def private_sources(text: str) -> tuple[str, ...]:
    for item in words(text):
        if "/" in item:
            try:
                ipaddress.ip_network(item, strict=False)
            except ValueError:
                raise ValueError(f"has {item!r}, which is not a CIDR") from None
    return words(text)


def absolute(text: str) -> Path:
    return Path(text).expanduser().resolve()


def yes(text: str) -> bool:
    if text.lower() in ("0", "false", "no", "off"):
        raise ValueError("must be 1, or empty: Docker itself takes any text for a yes")
    return True


def certificates(text: str) -> Path:
    folder = absolute(text)
    missing = [name for name in CERTIFICATES if not os.access(folder / name, os.R_OK)]
    if missing:
        raise ValueError(f"must be a folder with {', '.join(CERTIFICATES)}, all readable")
    return folder


def database_port(text: str) -> int | None:
    return None if text == "" else number(int, 1, 65535)(text)
