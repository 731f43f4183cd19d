"""The start: an address becomes a terminal, or it is said why not."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import expect

from ..support.server import Server
from ..support.site import Site
from ..support.throttle import Throttle
from ..support.waiting import eventually
from ..support.world import tgz
from .conftest import OpenTab

SETTINGS = {"idle_timeout": 600}


@pytest.fixture
def url(site: Site) -> str:
    return site.repository("project", {"main.py": "print('hello')\n", "docs/read.me": "hello\n"})


def test_an_address_becomes_a_terminal(open_tab: OpenTab, url: str) -> None:
    tab = open_tab()
    expect(tab.page.get_by_label("Address")).to_be_focused()
    tab.type(f"{url}\n")  # all by keyboard
    tab.ready()
    assert re.fullmatch(r".*:\d+/[a-z0-9]+", tab.page.url)
    assert "print('hello')" in tab.run("cat main.py", "print(")
    expect(tab.page.locator(".source")).to_have_text(url.removeprefix("http://")[: -len(".git")])


def test_a_slow_creation_is_watched_in_the_terminal(open_tab: OpenTab, site: Site) -> None:
    site.files["/slow.tgz"] = tgz({"main.py": "", "large": os.urandom(2**20)})
    slow = Throttle(site.netloc, most=2**19)
    tab = open_tab()
    try:
        tab.type(f"http://{slow.netloc}/slow.tgz\n")
        tab.sees("Downloading …")
        tab.shoot("creating")
        slow.let_go()
        tab.ready()
    finally:
        slow.cut()
    assert "large" in tab.run("ls", "large")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Type or paste an address."),
        ("ftp://example.org/x", "Sources come over https or ssh only."),
        ("http://127.0.0.1:1/nobody/home.git", "127.0.0.1"),
    ],
    ids=["none", "wrong", "dead host"],
)
def test_an_error_stands_beside_the_field(
    open_tab: OpenTab, shared: Server, text: str, told: str
) -> None:
    before = len(shared.get("/v1/dockbox?limit=200").json()["items"])
    tab = open_tab()
    field = tab.page.get_by_label("Address")
    field.fill(text)
    tab.page.get_by_role("button", name="Open terminal").click()
    alert = tab.page.get_by_role("alert")
    expect(alert).to_contain_text(told)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_attribute("aria-describedby", str(alert.get_attribute("id")))
    expect(field).to_be_focused()
    tab.shoot(f"error-{'dead' if '127' in text else text[:3] or 'none'}")
    assert len(shared.get("/v1/dockbox?limit=200").json()["items"]) == before
    tab.type("x")
    expect(alert).to_be_empty()


def test_a_link_asks_before_it_creates(open_tab: OpenTab, url: str) -> None:
    tab = open_tab("about:blank")
    posts: list[str] = []
    tab.page.on("request", lambda one: posts.append(one.url) if one.method == "POST" else None)
    tab.open(f"/?url={url}")
    expect(tab.page.get_by_label("Address")).to_have_value(url)
    expect(tab.page.get_by_text("Look at the address")).to_be_visible()
    assert not posts
    tab.page.keyboard.press("Enter")
    tab.ready()
    assert len(posts) == 1


def test_the_options_are_sent(open_tab: OpenTab, shared: Server, url: str) -> None:
    tab = open_tab()
    tab.page.get_by_label("Address").fill(url)
    tab.page.get_by_text("Options").click()
    tab.page.get_by_label("Name").fill("chosen-name")
    tab.page.get_by_label("Folder").fill("docs")
    tab.page.get_by_label("Ref").fill("trunk")
    tab.page.keyboard.press("Enter")
    tab.ready()
    assert tab.page.url.endswith("/chosen-name")
    box = shared.box("chosen-name")
    assert (box["subdir"], box["ref"]) == ("docs", "trunk")
    tab.page.go_back()
    expect(tab.page.get_by_label("Address")).to_be_visible()
    tab.page.get_by_label("Address").fill(url)
    tab.page.get_by_text("Options").click()
    tab.page.get_by_label("Name").fill("chosen-name")
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("alert")).to_contain_text("name")


def test_the_badge_is_shown_and_its_markdown_copied(open_tab: OpenTab, shared: Server) -> None:
    tab = open_tab(permissions=["clipboard-read", "clipboard-write"])
    tab.page.get_by_role("button", name="Copy the Markdown").click()
    expect(tab.page.locator(".icon-check")).to_be_visible()
    copied = tab.page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith(f"[![Open in dockbox]({shared.url}/badge.svg)]({shared.url}/?url=")
    drawn = tab.page.get_by_alt_text("Open in dockbox")
    wide = "(image) => image.complete && image.naturalWidth > 100"
    eventually(lambda: drawn.evaluate(wide), 10, "the badge")


def test_the_theme_is_the_systems_until_it_is_chosen(open_tab: OpenTab) -> None:
    tab = open_tab(color_scheme="dark")
    ground = "() => getComputedStyle(document.documentElement).backgroundColor"
    assert tab.page.evaluate(ground) == "rgb(14, 16, 20)"
    tab.page.get_by_role("button", name="Menu").click()
    tab.page.get_by_text("Light", exact=True).click()
    assert tab.page.evaluate(ground) == "rgb(255, 255, 255)"
    tab.page.reload()
    tab.page.get_by_label("Address").wait_for()
    assert tab.page.evaluate(ground) == "rgb(255, 255, 255)"


def test_an_address_of_nothing_says_so(open_tab: OpenTab) -> None:
    tab = open_tab("/no-such-box")
    tab.notice("There is no such dockbox")
    tab.page.get_by_role("button", name="Open another").click()
    expect(tab.page.get_by_label("Address")).to_be_focused()
