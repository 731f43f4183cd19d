"""The fixtures are those of the integration tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..integration.conftest import (
    box,
    database,
    engine,
    images_file,
    make_server,
    module_server,
    postgres,
    pytest_runtest_makereport,
    registry,
    run,
    server,
    shared,
    site,
    tidy,
)

__all__ = [
    "box", "database", "engine", "images_file", "make_server", "module_server", "postgres",
    "pytest_runtest_makereport", "registry", "run", "server", "shared", "site", "tidy",
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.docker)
