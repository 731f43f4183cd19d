"""A browser, and a tab of it for each test, in which nothing may go wrong unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from ..support.processes import program
from ..support.run import ROOT, Run
from ..support.server import Server
from ..support.tab import Tab

OpenTab = Callable[..., Tab]
expect.set_options(timeout=15_000)  # the list asks every 2 s, and a loaded machine takes its time


# of the package: the loop that it keeps running must be gone before other tests run their own
@pytest.fixture(scope="package")
def browser(run: Run) -> Iterator[Browser]:
    if not (ROOT / "dockbox/static/vendor/xterm.mjs").exists():
        pytest.fail("xterm.js is missing: scripts/assets (`make test` does)", pytrace=False)
    chromium = program("chromium", "chromium")
    with sync_playwright() as playwright:
        # who is root has no sandbox; all that it opens is our own page
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"], env={**run.environment()}
        )
        yield browser
        browser.close()


@pytest.fixture
def open_tab(browser: Browser, shared: Server) -> Iterator[OpenTab]:
    """Opens tabs at the shared server; no test may leave trouble in one."""
    tabs: list[Tab] = []

    def open(path: str = "/", **options: Any) -> Tab:
        tab = Tab(browser, shared.url, **{"viewport": {"width": 1000, "height": 640}, **options})
        tabs.append(tab)
        return tab.open(path)

    yield open
    for tab in tabs:
        tab.close()
    assert [trouble for tab in tabs for trouble in tab.trouble] == []
