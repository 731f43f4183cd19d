"""A dockbox, by its address and by its folder, and what must never be reached from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ...support.callers import Caller
from ...support.server import Server
from ...support.site import Site
from .calls import SECRET


@pytest.fixture
def ann(callers: list[Caller]) -> Caller:
    return callers[0]


@pytest.fixture
def box(ann: Caller, site: Site) -> str:
    return ann.create(site.repository("project", {"main.py": "print('hello')\n"}))


@pytest.fixture
def at(box: str) -> str:
    return f"/v1/dockbox/{box}/files"


@pytest.fixture
def app(shared: Server, box: str) -> Path:
    return shared.mount / box


@pytest.fixture
def canary(shared: Server, tmp_path: Path) -> Iterator[Path]:
    """A folder of the server's machine, outside of every dockbox, that must stay as it is."""
    folder = tmp_path / "canary"
    (folder / "inner").mkdir(parents=True)
    for name in ("0.rb", "secret", "inner/secret"):
        (folder / name).write_bytes(SECRET)
    before = picture(folder)
    yield folder
    assert picture(folder) == before


def picture(folder: Path) -> list[tuple[str, int, bytes]]:
    return [
        (str(path), path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *sorted(folder.rglob("*"))]
    ]
