"""A dockbox's files, by their address and by their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...support.server import Server


@pytest.fixture
def app(shared: Server, box: str) -> Path:
    """What is ``/app`` in the container."""
    return shared.mount / box


@pytest.fixture
def at(box: str) -> str:
    return f"/v1/dockbox/{box}/files"
