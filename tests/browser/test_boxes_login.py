"""The list of dockboxes where there are tokens: everybody sees their own."""

from __future__ import annotations

from playwright.sync_api import expect

from ..support.callers import Caller
from ..support.site import Site
from .conftest import OpenTab

SETTINGS = {"idle_timeout": 600, "auth": "token"}


def test_others_dockboxes_are_not_in_the_list(
    open_tab: OpenTab, callers: list[Caller], site: Site
) -> None:
    url = site.repository("project", {"main.py": "print('hello')\n"})
    for caller, name in zip(callers, ["anns", "bobs"], strict=False):
        caller.call("POST", "/v1/dockbox", json={"url": url, "name": name})
    tab = open_tab("/~boxes")
    expect(tab.page.get_by_role("link", name="Dockboxes")).to_have_count(0)
    tab.page.get_by_label("Token").fill(callers[0].text)
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("heading", name="My dockboxes")).to_be_visible()
    expect(tab.page.get_by_role("link", name="anns", exact=True)).to_be_visible()
    expect(tab.page.get_by_text("bobs")).to_have_count(0)
