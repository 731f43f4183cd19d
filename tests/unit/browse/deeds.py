"""What clients do, in short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dockbox.browse import reading, writing
from dockbox.browse.way import place


def upload(root: Path, path: bytes, data: bytes = b"data", replace: bool = True) -> bool:
    file = writing.Upload(root, place(path), replace, len(data))
    try:
        file.write(data)
        return file.commit()
    finally:
        file.close()


def listed(root: Path, path: bytes = b"", limit: int = 10, after: str | None = None) -> Any:
    return reading.look(root, place(path), limit, after)
