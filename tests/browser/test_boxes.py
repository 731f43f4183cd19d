"""The list of dockboxes: it is what the server has, and everything can be done from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from ..support.callers import Caller, make_callers
from ..support.run import Run
from ..support.server import Server
from ..support.site import Site
from ..support.tab import Tab
from .conftest import OpenTab

SETTINGS = {"idle_timeout": 600}
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
LIST = "**/v1/dockbox?*"


@pytest.fixture
def name(shared: Server, site: Site) -> str:
    """The name of the only dockbox."""
    for one in shared.get("/v1/dockbox?limit=200").json()["items"]:
        shared.delete(f"/v1/dockbox/{one['id']}")
    url = site.repository("project", {"main.py": "print('hello')\n"})
    shared.create(url, name="first")
    return "first"


def row(tab: Tab, name: str) -> Locator:
    return tab.page.get_by_role("listitem").filter(has=tab.page.get_by_role("link", name=name))


def choose(tab: Tab, name: str, choice: str) -> None:
    """From the dockbox's own menu, by keyboard alone."""
    row(tab, name).get_by_role("button", name="More for").press("Enter")
    item = row(tab, name).get_by_role("button", name=choice)
    tab.page.keyboard.press("Tab")
    while not item.evaluate("(one) => one === document.activeElement"):
        tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")


def test_the_list_follows_what_happens_elsewhere(
    open_tab: OpenTab, shared: Server, site: Site, name: str
) -> None:
    tab = open_tab("/")
    tab.page.get_by_role("link", name="Dockboxes").click()
    expect(row(tab, name)).to_contain_text("stopped")
    expect(row(tab, name)).to_contain_text("python")
    expect(row(tab, name)).to_contain_text("just now")
    with shared.connect(name) as terminal:
        terminal.run("echo $((1 + 1))")
        expect(row(tab, name)).to_contain_text("running")
        expect(row(tab, name)).to_contain_text("1 connected")
        expect(tab.page.get_by_role("status").filter(has_text="first: running")).to_have_count(1)
    expect(row(tab, name)).to_contain_text("stops in 9:5")
    site.delay = 1  # so that a creation is seen, by its steps
    url = site.repository("other", {"go.mod": "module other\n"})
    body = {"url": url, "name": "second"}
    shared.post("/v1/dockbox", json=body, headers={"Prefer": "respond-async"})
    expect(row(tab, "second")).to_contain_text("creating")
    expect(row(tab, "second").locator(".detail")).not_to_be_empty()
    tab.shoot("boxes")
    site.delay = 0
    expect(row(tab, "second")).to_contain_text("stopped", timeout=20_000)
    assert tab.page.get_by_role("listitem").first.inner_text().startswith("second")
    shared.delete("/v1/dockbox/second")
    expect(row(tab, "second")).to_have_count(0)
