"""The list of dockboxes: it is what the server has, and everything can be done from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

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
    site.delay = 3  # so that a creation is seen, by its steps, whenever the list asks
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


def test_stop_and_delete_are_done_from_the_list_by_keyboard(
    open_tab: OpenTab, shared: Server, name: str
) -> None:
    terminal = shared.connect(name)
    terminal.run("echo $((1 + 1))")
    tab = open_tab("/~boxes")
    expect(row(tab, name)).to_contain_text("running")
    choose(tab, name, "Stop")
    expect(row(tab, name)).to_contain_text("stopped")
    assert shared.box(name)["state"] == "stopped"
    expect(row(tab, name).get_by_role("button", name="Stop")).to_have_count(0)
    choose(tab, name, "Delete")
    dialog = tab.page.get_by_role("dialog", name="Delete first?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    tab.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(row(tab, name).get_by_role("button", name="More for")).to_be_focused()
    assert shared.box(name)
    choose(tab, name, "Delete")
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_text("There is no dockbox yet")).to_be_visible()
    assert shared.get(f"/v1/dockbox/{name}").status_code == 404
    expect(tab.page.get_by_role("main")).to_be_focused()
    tab.shoot("boxes-empty")
    tab.page.get_by_role("link", name="Open a repository").click()
    expect(tab.page.get_by_label("Address")).to_be_visible()


def test_what_the_server_refuses_is_said_where_it_was_asked_for(
    open_tab: OpenTab, shared: Server, name: str
) -> None:
    tab = open_tab("/~boxes")
    away = {"status": 503, "content_type": "application/json"}
    body = json.dumps({"error": "Docker cannot be reached.", "code": "runtime_unavailable"})
    tab.page.route(
        f"**/v1/dockbox/{shared.box(name)['id']}", lambda it: it.fulfill(body=body, **away)
    )
    choose(tab, name, "Delete")
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_role("alert")).to_have_text("Docker cannot be reached.")
    tab.page.unroute_all()
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog).to_have_count(0)
    assert shared.get(f"/v1/dockbox/{name}").status_code == 404


def test_a_name_is_changed_where_it_stands(
    open_tab: OpenTab, shared: Server, site: Site, name: str
) -> None:
    url = site.repository("project", {})
    shared.create(url, name="taken")
    tab = open_tab("/~boxes")
    choose(tab, name, "Rename")
    field = tab.page.get_by_label("New name of first")
    expect(field).to_be_focused()
    tab.type("taken\n")  # it was selected
    alert = row(tab, "Connect to first").locator(".rename").get_by_role("alert")
    expect(alert).to_have_text("Another dockbox has this name.")
    expect(field).to_be_focused()
    tab.shoot("boxes-rename")
    field.fill("other")
    tab.page.keyboard.press("Enter")
    expect(row(tab, "other")).to_be_visible()
    expect(row(tab, "other").get_by_role("button", name="More for")).to_be_focused()
    assert shared.box("other")
    choose(tab, "other", "Rename")
    tab.type("never")
    tab.page.keyboard.press("Escape")
    expect(tab.page.get_by_role("link", name="other", exact=True)).to_be_visible()
    row(tab, "other").get_by_role("link", name="Connect").click()
    tab.ready()
    assert tab.page.url == f"{shared.url}/other"


def test_a_shared_link_views_and_does_not_type(
    open_tab: OpenTab, shared: Server, name: str
) -> None:
    tab = open_tab("/~boxes", permissions=["clipboard-read", "clipboard-write"])
    choose(tab, name, "Copy link")
    copied = "() => navigator.clipboard.readText()"
    expect(tab.page.get_by_role("status").filter(has_text="copied")).to_have_count(1)
    assert tab.page.evaluate(copied) == f"{shared.url}/{name}"
    choose(tab, name, "Share")
    dialog = tab.page.get_by_role("dialog", name="Share first")
    dialog.get_by_label("The link is good for").select_option("1 hour")
    dialog.get_by_role("button", name="Make a link").click()
    link = dialog.get_by_label("Copy it now").input_value()
    dialog.get_by_role("button", name="Copy the link").click()
    expect(dialog.locator(".icon-check")).to_be_visible()
    assert tab.page.evaluate(copied) == link
    tab.shoot("boxes-share")
    assert tab.findings() == []
    with shared.connect(name) as owner:
        owner.run("echo seen-$((1 + 1))")
        guest = open_tab(link.removeprefix(shared.url))
        guest.sees("seen-2")
        expect(guest.page.get_by_text("View only")).to_be_visible()
        expect(guest.page.get_by_role("link", name="Dockboxes")).to_have_count(0)
        guest.type("echo typed\n")
        owner.run("echo after-$((1 + 1))")
        assert "typed" not in guest.sees("after-2")
        dialog.get_by_role("button", name="Revoke the link to view").click()
        expect(dialog.get_by_role("button", name="Revoke")).to_have_count(0)
        expect(guest.page.locator(".notice.ended")).to_be_visible(timeout=20_000)


def test_what_is_on_the_way_missing_or_out_of_date_is_said(
    open_tab: OpenTab, shared: Server, name: str
) -> None:
    tab = open_tab("/")
    tab.page.route(LIST, lambda it: it.abort())
    tab.page.get_by_role("link", name="Dockboxes").click()
    expect(tab.page.get_by_role("alert")).to_have_text("The server cannot be reached.Try again")
    tab.shoot("boxes-error")
    # nothing is answered until it is pressed: its own next attempt would take the button away
    tab.page.route(LIST, lambda it: None)
    tab.page.get_by_role("button", name="Try again").click()
    tab.page.unroute_all()  # and what waits goes on
    expect(row(tab, name)).to_be_visible()
    tab.page.route(LIST, lambda it: it.abort())
    expect(tab.page.get_by_text("This list is out of date.")).to_be_visible()
    expect(row(tab, name)).to_be_visible()
    tab.shoot("boxes-stale")
    tab.page.unroute_all()
    expect(tab.page.get_by_text("This list is out of date.")).to_have_count(0, timeout=20_000)


def test_many_are_shown_page_by_page(open_tab: OpenTab, shared: Server, name: str) -> None:
    items = [{**shared.box(name), "id": f"{at}", "custom_id": f"box-{at}"} for at in range(20)]
    older = [{**items[0], "id": "99", "custom_id": "oldest"}]
    wanted: list[str] = []

    def answer(route: Any) -> None:
        wanted.append(route.request.url)
        last = "after=" in route.request.url
        route.fulfill(json={"items": older if last else items, "next": None if last else "c/+="})

    tab = open_tab("about:blank")
    tab.page.route(LIST, answer)
    tab.open("/~boxes")
    expect(tab.page.get_by_role("listitem")).to_have_count(20)
    tab.page.get_by_role("link", name="Older").click()
    expect(tab.page.get_by_role("listitem")).to_have_count(1)
    assert wanted[-1].endswith("after=c%2F%2B%3D")
    expect(tab.page.get_by_role("link", name="Older")).to_have_count(0)
    tab.page.go_back()
    expect(tab.page.get_by_role("listitem")).to_have_count(20)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{}, PHONE], ids=["desk", "phone"])
def test_the_list_has_no_serious_fault(
    open_tab: OpenTab, shared: Server, site: Site, name: str, scheme: Any, device: dict[str, Any]
) -> None:
    kind = f"{'phone' if device else 'desk'}-{scheme}"
    body = {"url": f"{site.url}/nowhere.git", "name": "broken"}
    shared.post("/v1/dockbox", json=body, headers={"Prefer": "respond-async"})
    shared.wait_state("broken", "failed")
    with shared.connect(name) as terminal:
        terminal.run("echo $((1 + 1))")
        tab = open_tab("/~boxes", color_scheme=scheme, **device)
        expect(row(tab, name)).to_contain_text("running")
        tab.shoot(f"boxes-{kind}")
        assert tab.findings() == []
        wide = "() => document.documentElement.scrollWidth <= innerWidth"
        assert tab.page.evaluate(wide)
        row(tab, name).get_by_role("button", name="More for").click()
        tab.shoot(f"boxes-menu-{kind}")
        assert tab.findings() == []
        row(tab, name).get_by_role("button", name="Delete").click()
        tab.shoot(f"boxes-delete-{kind}")
        assert tab.findings() == []
