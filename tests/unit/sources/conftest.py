"""The loopback site, with what the tests of sources ask of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockbox.sources import Fetched, Limits, Policy, Progress, fetch, parse

from ...support import site as support

Handler = support.Handler
LOOPBACK = Policy(("127.0.0.1/32",))


class Site(support.Site):
    """Fetches from itself into ``out``, and keeps the ``steps`` that were reported."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.out = folder / "out"
        self.steps: list[Progress] = []

    def fetch(self, path: str, user: str = "", policy: Policy = LOOPBACK, **kw: Any) -> Fetched:
        limits = kw.pop("limits", Limits(20, 10_000_000, 1000))
        progress = kw.pop("progress", self.steps.append)
        source = parse(f"http://{user}{self.netloc}{path}", **kw)
        return fetch(source, self.out, limits, policy, progress)

    def left(self) -> list[str]:
        return sorted(entry.name for entry in self.out.parent.iterdir() if entry != self.repos)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()
    # pytest's own tidying fails at a tree a thousand folders deep
    subprocess.run(["rm", "-rf", site.out], check=False)
