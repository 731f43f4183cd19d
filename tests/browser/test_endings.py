"""Connections end: some are made anew by themselves, of the others it is said why."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from ..support.engine import Engine
from ..support.server import Server
from ..support.site import Site
from ..support.tab import Tab
from ..support.waiting import eventually
from .conftest import OpenTab

SETTINGS = {"idle_timeout": 600}


@pytest.fixture
def tab(open_tab: OpenTab, box: str) -> Tab:
    return open_tab(f"/{box}").ready()


def test_the_shell_is_there_again_after_the_server_restarted(tab: Tab, shared: Server) -> None:
    tab.run("x=kept; echo $((6 * 7))", "42")
    shared.stop()
    tab.notice("Trying again")
    tab.shoot("reconnecting")
    shared.start()
    expect(tab.page.locator(".notice")).to_be_hidden(timeout=20_000)
    tab.run("echo $x-$x", "kept-kept")
    assert tab.text().count("\n42") == 1  # the recent output, on a screen that was empty again


def test_a_server_that_dies_is_waited_for(tab: Tab, shared: Server) -> None:
    tab.run("x=kept; echo $((6 * 7))", "42")
    shared.kill()
    tab.notice("Trying again")
    shared.start()
    expect(tab.page.locator(".notice")).to_be_hidden(timeout=20_000)
    tab.run("echo $x-$x", "kept-kept")


def test_who_was_stopped_may_start_again(tab: Tab, shared: Server, box: str) -> None:
    tab.run("touch /app/stays; echo $((6 * 7))", "42")
    shared.post(f"/v1/dockbox/{box}/stop")
    tab.notice("The dockbox was stopped.")
    tab.shoot("stopped")
    again = tab.page.get_by_role("button", name="Start again")
    expect(again).to_be_focused()
    tab.page.keyboard.press("Enter")
    expect(tab.page.locator(".notice")).to_be_hidden()
    tab.run("ls /app/st*", "/app/stays")


def test_a_container_that_died_is_told_and_started_only_when_asked_for(
    tab: Tab, shared: Server, engine: Engine, box: str
) -> None:
    engine.client().api.kill(shared.box(box)["container_id"])
    tab.notice("The container")
    tab.shoot("died")
    # it is stopped before the page, which was told, has left
    state = ("stopped", 0)
    eventually(lambda: (at := shared.box(box)) and (at["state"], at["connections"]) == state)
    tab.page.get_by_role("button", name="Start again").click()
    expect(tab.page.locator(".notice")).to_be_hidden()
    tab.run("echo $((6 * 7))", "42")


def test_a_deleted_dockbox_is_not_looked_for(tab: Tab, shared: Server, box: str) -> None:
    shared.delete(f"/v1/dockbox/{box}")
    tab.notice("The dockbox was deleted.")
    tab.page.get_by_role("button", name="Open another").click()
    expect(tab.page.get_by_label("Address")).to_be_visible()


def test_a_creation_that_failed_says_why_and_can_be_mended(
    open_tab: OpenTab, shared: Server, site: Site
) -> None:
    url = f"{site.url}/nowhere.git"
    answer = shared.post(
        "/v1/dockbox", json={"url": url}, headers={"Prefer": "respond-async"}
    ).json()
    tab = open_tab(f"/{answer['id']}")
    error = shared.wait_state(answer["id"], "failed")["error"]
    tab.notice(error[:30])
    tab.page.get_by_role("button", name="Start over").click()
    expect(tab.page.get_by_label("Address")).to_have_value(url)
    assert shared.get(f"/v1/dockbox/{answer['id']}").status_code == 404


@pytest.mark.parametrize(
    ("part", "times"),
    [("api.js", 1), ("style.css", 1), ("views/terminal.js", 2), ("api.js", 99)],
)
def test_a_page_of_which_a_part_did_not_come_is_loaded_again(
    open_tab: OpenTab, box: str, part: str, times: int
) -> None:
    tab = open_tab("about:blank")
    left = iter(range(times))

    def cut(route: Route) -> None:  # as where a network changes while it is loaded
        if next(left, None) is None:
            route.continue_()
        else:
            route.abort("failed")

    tab.page.route(f"**/{part}", cut)
    tab.page.goto(f"/{box}")
    if times == 99:
        expect(tab.page.get_by_role("alert")).to_contain_text("could be loaded", timeout=15_000)
        tab.page.unroute(f"**/{part}")
        tab.page.get_by_role("button", name="Load it again").click()
    tab.shows().ready()
    assert not tab.page.evaluate("history.state?.tried")  # for the next time


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_page_of_which_no_script_came_says_so(open_tab: OpenTab, box: str, motion: str) -> None:
    tab = open_tab("about:blank", reduced_motion=motion)
    tab.page.route("**/boot.js", lambda route: route.abort("failed"))
    tab.page.goto(f"/{box}")
    told = tab.page.get_by_text("Should nothing else appear, load it again.")
    assert told.evaluate("one => getComputedStyle(one).animationName") == "unloaded"  # not at once
    expect(told).to_be_visible()
    tab.page.unroute("**/boot.js")
    tab.page.reload()
    tab.shows().ready()


def test_a_browser_without_scripts_is_told_why_and_nothing_else(open_tab: OpenTab) -> None:
    tab = open_tab("about:blank", java_script_enabled=False)
    tab.page.goto("/")
    expect(tab.page.locator("noscript > p")).to_be_visible()
    expect(tab.page.locator(".unloaded")).to_have_css("display", "none")
