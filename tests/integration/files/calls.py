"""Uploads, and the bounds that they have here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...support.server import Server

SETTINGS = {
    "idle_timeout": 600, "upload_max_bytes": "3m", "container_disk": "200m", "web_concurrency": 1,
}  # fmt: skip
MB = 2**20


def put(server: Server, path: str, data: Any = b"", **headers: str) -> Any:
    return server.request("PUT", path, data=data, headers=headers)


def pieces(total: int, size: int = 50_000) -> Iterator[bytes]:
    """A body whose length is not told."""
    while total > 0:
        yield b"x" * min(size, total)
        total -= size
