"""What nobody can make the page do, even where they have found a way to put something into it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from ..support.server import Server
from ..support.site import Site
from ..support.tab import Tab
from .conftest import OpenTab

SETTINGS = {"idle_timeout": 600}
SCRIPT = """() => { const script = document.createElement("script");
    script.textContent = "window.ran = true"; document.body.append(script); return window.ran }"""
HANDLER = """() => { document.body.setAttribute("onclick", "window.ran = true");
    document.body.click(); return window.ran }"""
MARKUP = """() => { document.body.innerHTML = "<p>"; return true }"""
TRY = "() => { try { return (%s)() } catch { return false } }"
FOREIGN = """(url) => fetch(url, {mode: "no-cors"}).then(() => true, () => false)"""
MODULE = """(url) => import(url).then(() => true, () => false)"""
IMAGE = """(url) => new Promise((done) => { const image = new Image();
    image.onload = () => done(true); image.onerror = () => done(false); image.src = url })"""
FORM = """(url) => { const form = document.createElement("form"); form.action = url;
    document.body.append(form); form.submit(); return false }"""


@pytest.fixture
def tab(browser: Browser, shared: Server) -> Any:
    """Not of ``open_tab``: here the policy is to be violated."""
    tab = Tab(browser, shared.url)
    yield tab.open("/")
    tab.close()


@pytest.mark.parametrize("attempt", [SCRIPT, HANDLER, MARKUP], ids=["script", "handler", "markup"])
def test_nothing_that_is_put_into_the_page_is_run(tab: Tab, attempt: str) -> None:
    assert not tab.page.evaluate(TRY % attempt)
    assert tab.trouble  # the browser says what it has forbidden


@pytest.mark.parametrize(
    "attempt", [FOREIGN, MODULE, IMAGE, FORM], ids=["fetch", "module", "image", "form"]
)
def test_nothing_goes_to_another_server(tab: Tab, site: Site, attempt: str) -> None:
    site.files["/x"] = site.files["/x.js"] = b"export default 1"
    assert not tab.page.evaluate(attempt, f"{site.url}/x.js")
    tab.page.evaluate("() => fetch('/health').then(() => true)")  # what was asked for is out
    assert site.requests == []


def test_the_page_is_not_shown_within_anothers(tab: Tab, site: Site, shared: Server) -> None:
    site.files["/frame.html"] = f"<iframe src='{shared.url}/'></iframe>".encode()
    tab.page.goto(f"{site.url}/frame.html")
    tab.page.wait_for_load_state("networkidle")
    assert not [frame for frame in tab.page.frames if frame.url.startswith(shared.url)]


def test_what_others_write_is_text(open_tab: OpenTab, shared: Server, box: str) -> None:
    evil = "<img src=x onerror=alert(1)>"
    tab = open_tab(f"/?url={evil}")
    expect(tab.page.get_by_label("Address")).to_have_value(evil)
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("alert")).not_to_be_empty()
    tab.open(f"/{box}").ready()
    tab.type(f"printf '\\e]2;%s\\a' '{evil}'\n")
    expect(tab.page).to_have_title(f"{evil} · dockbox")
    assert not tab.page.locator("img[src=x]").count()
