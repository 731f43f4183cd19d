"""The loopback site that fetches from itself, and trees that somebody changes meanwhile."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...support.swapping import Swapper
from ...unit.sources.conftest import site

__all__ = ["canary", "site", "swapped"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with one small Ruby file."""
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.rb").write_bytes(b"x" * 100)
    return root


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the tree, full of Go."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "go.mod").touch()
    (folder / "a.go").write_bytes(b"x" * 99_000)
    (folder / "script").write_bytes(b"#!/usr/bin/perl\n" + b"x" * 99_000)
    return folder


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A folder outside of every tree: whoever gets here has been led out."""
    folder = tmp_path / "canary"
    (folder / "inner").mkdir(parents=True)
    for name in ("a.go", "b.go", "inner/c.go"):
        (folder / name).write_bytes(b"x" * 500_000)
        (folder / name).chmod(0o600)
    folder.chmod(0o700)
    return folder


@pytest.fixture
def swapped(tmp_path: Path, canary: Path) -> Iterator[Swapper]:
    """A tree whose folders are links to the canary half of the time."""
    swapper = Swapper(tmp_path / "tree", canary)
    yield swapper
    swapper.stop()
    subprocess.run(["rm", "-rf", str(tmp_path / "tree")], check=True)
