"""Who gets in with ``AUTH=token``: with a token, or with the link of a share."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from ..support.callers import Caller, make_callers
from ..support.server import Server
from ..support.site import Site
from .conftest import OpenTab

SETTINGS = {"idle_timeout": 600, "auth": "token"}


@pytest.fixture(scope="module")
def callers(module_server: Server) -> list[Caller]:
    """As the fixture of this name, once for all tests."""
    return make_callers(module_server)


@pytest.fixture
def mine(callers: list[Caller], site: Site) -> str:
    """The id of a dockbox of the first caller's."""
    return callers[0].create(site.repository("project", {"main.py": "print('hello')\n"}))


def test_a_token_opens_the_view_that_was_asked_for(
    open_tab: OpenTab, callers: list[Caller], mine: str
) -> None:
    tab = open_tab(f"/{mine}")
    expect(tab.page.get_by_role("heading", name="Log in")).to_be_visible()
    expect(tab.page.get_by_label("Token")).to_be_focused()
    tab.type("dbx_wrong\n")
    expect(tab.page.get_by_role("alert")).not_to_be_empty()
    tab.shoot("login-refused")
    tab.page.get_by_label("Token").fill(callers[0].text)
    tab.page.keyboard.press("Enter")
    tab.ready().run("echo in-$((1 + 1))", "in-2")
    kept = tab.page.evaluate("() => JSON.stringify([{...localStorage}, document.cookie])")
    assert callers[0].text not in kept and "dockbox_session" not in kept
    tab.page.get_by_role("button", name="Menu").click()
    tab.page.get_by_role("button", name="Log out").click()
    expect(tab.page.get_by_label("Token")).to_be_focused()
    assert mine not in json.dumps(tab.text())


def test_others_dockboxes_are_not_there(
    open_tab: OpenTab, callers: list[Caller], mine: str
) -> None:
    tab = open_tab(f"/{mine}")
    tab.page.get_by_label("Token").fill(callers[1].text)
    tab.page.keyboard.press("Enter")
    tab.notice("There is no such dockbox")


def share(owner: Caller, id: str, kind: str) -> str:
    made = owner.call("POST", f"/v1/dockbox/{id}/shares", json={"kind": kind}).json()
    return str(made["link"]).partition("#")[2]


def test_who_has_a_link_to_view_sees_and_cannot_type(
    open_tab: OpenTab, callers: list[Caller], mine: str
) -> None:
    with callers[0].connect(mine) as owner:
        owner.run("echo seen-$((1 + 1))")
        tab = open_tab(f"/{mine}#{share(callers[0], mine, 'view')}")
        tab.sees("seen-2")
        expect(tab.page.get_by_text("View only")).to_be_visible()
        assert "#" not in tab.page.url
        tab.shoot("view-only")
        tab.type("echo typed\n")
        tab.page.reload()  # the secret is kept, but not in the address
        tab.sees("seen-2")
        owner.run("echo after-$((1 + 1))")
        assert "typed" not in tab.sees("after-2")


def test_who_has_a_link_to_type_types(open_tab: OpenTab, callers: list[Caller], mine: str) -> None:
    link = share(callers[0], mine, "type")
    tab = open_tab(f"/{mine}#{link}").ready()
    tab.run("echo typed-$((1 + 1))", "typed-2")
    expect(tab.page.get_by_text("View only")).to_be_hidden()
    id = link.split("_")[1]
    callers[0].call("DELETE", f"/v1/dockbox/{mine}/shares/{id}")
    expect(tab.page.locator(".notice.ended")).to_be_visible()
