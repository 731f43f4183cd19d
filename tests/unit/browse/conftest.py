"""A dockbox's folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A dockbox's folder; whatever a test does with it, no descriptor stays open."""
    folder = tmp_path / "box"
    folder.mkdir()
    folder.chmod(0o2775)
    before = os.listdir("/proc/self/fd")
    yield folder
    assert os.listdir("/proc/self/fd") == before
