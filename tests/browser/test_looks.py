"""Each view in light and dark: a picture of it, and what axe-core finds."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from ..support.server import Server
from ..support.tab import Tab
from .conftest import OpenTab

SETTINGS = {"idle_timeout": 600}
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
LISTING = r"ls -l --color=always /; printf '\n'; printf '\e[%sm%s\e[0m ' 31 red 32 green 34 blue"


def look(tab: Tab, name: str) -> None:
    tab.shoot(name)
    assert tab.findings() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{}, PHONE], ids=["desk", "phone"])
def test_no_view_has_a_serious_fault(
    open_tab: OpenTab, shared: Server, box: str, scheme: Any, device: dict[str, Any]
) -> None:
    kind = f"{'phone' if device else 'desk'}-{scheme}"
    tab = open_tab("/", color_scheme=scheme, **device)
    tab.page.get_by_text("Options").click()
    look(tab, f"start-{kind}")
    tab.page.get_by_label("Address").fill("ftp://wrong")
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("alert")).not_to_be_empty()
    look(tab, f"start-error-{kind}")
    tab.open(f"/{box}").ready().run(LISTING, "red green blue")
    look(tab, f"terminal-{kind}")
    tab.page.get_by_role("button", name="Menu").click()
    look(tab, f"menu-{kind}")
    tab.page.get_by_role("button", name="Find …").click()
    expect(tab.page.get_by_label("Find in the terminal")).to_be_focused()
    look(tab, f"find-{kind}")
    shared.post(f"/v1/dockbox/{box}/stop")
    tab.notice("stopped")
    look(tab, f"stopped-{kind}")
    tab.open("/~nothing")
    expect(tab.page.get_by_role("heading")).to_be_visible()
    look(tab, f"missing-{kind}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_log_in_has_no_serious_fault(open_tab: OpenTab, scheme: Any) -> None:
    tab = open_tab("about:blank", color_scheme=scheme)
    unauthorized = '{"error": "A valid token is needed.", "code": "unauthorized"}'
    tab.page.route(
        "**/v1/session",
        lambda route: route.fulfill(status=401, body=unauthorized, content_type="application/json"),
    )
    tab.open("/")
    expect(tab.page.get_by_label("Token")).to_be_focused()
    look(tab, f"login-{scheme}")
