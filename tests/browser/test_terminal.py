"""The terminal as a person has it: typed in, resized, searched, shared, on a phone."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from ..support.server import Server
from ..support.tab import Tab
from ..support.waiting import eventually
from .conftest import OpenTab

SETTINGS = {"idle_timeout": 600}
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def tab(open_tab: OpenTab, box: str) -> Tab:
    return open_tab(f"/{box}", permissions=["clipboard-read", "clipboard-write"]).ready()


def stty(tab: Tab) -> str:
    """What the shell takes for the terminal's size."""
    tab.run("clear; stty size; echo end", "end")
    found = re.findall(r"^(\d+ \d+)$", tab.text(), re.MULTILINE)
    return str(found[-1]) if found else ""


def size(tab: Tab) -> str:
    """The size that the terminal has in the page."""
    found = "() => { const t = document.getElementById('main').terminal; return [t.rows, t.cols] }"
    return "{} {}".format(*tab.page.evaluate(found))


def test_the_shell_has_the_size_of_the_window(tab: Tab) -> None:
    first = size(tab)
    eventually(lambda: stty(tab) == first, 10, first)
    tab.page.set_viewport_size({"width": 700, "height": 480})
    eventually(lambda: size(tab) != first, 10, "another size")
    eventually(lambda: stty(tab) == size(tab), 10, size(tab))


def test_a_reload_finds_the_screen_again(tab: Tab) -> None:
    tab.run("x=kept; echo $((6 * 7))", "42")
    tab.page.reload()
    tab.sees("\n42")
    tab.run("echo $x-$x", "kept-kept")


def test_two_browsers_share_a_shell(tab: Tab, open_tab: OpenTab, box: str) -> None:
    other = open_tab(f"/{box}").ready()
    tab.run("echo from-$((1 + 0))", "from-1")
    other.sees("\nfrom-1")
    other.run("echo from-$((1 + 1))", "from-2")
    tab.sees("\nfrom-2")


def test_a_flood_waits_at_the_server_while_the_page_answers(tab: Tab) -> None:
    sent: set[Any] = set()
    tab.page.on("websocket", lambda one: one.on("framesent", lambda data: sent.add(data[:1])))
    tab.page.reload()
    tab.ready().type("yes $(printf %0900d 1)\n")
    eventually(lambda: tab.text() and {b"2", b"3"} <= sent, 20, "pause and resume")
    tab.page.keyboard.press("Control+Shift+E")
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_text("Font size")).to_be_visible()
    tab.page.keyboard.press("Escape")
    tab.page.locator(".xterm-helper-textarea").focus()
    tab.page.keyboard.press("Control+C")
    tab.prompts().run("echo quiet-$((1 + 1))", "quiet-2")


def test_text_is_found_and_copied(tab: Tab) -> None:
    tab.run("for i in 1 2 3; do echo needle-$i; done", "needle-3")
    tab.page.keyboard.press("Control+Shift+F")
    find = tab.page.get_by_label("Find in the terminal")
    expect(find).to_be_focused()
    tab.type("needle-2")
    expect(tab.page.locator(".find-count")).to_have_text("1 of 1")
    tab.shoot("find")
    tab.page.keyboard.press("Escape")
    tab.page.keyboard.press("Control+Shift+C")
    copied = "() => navigator.clipboard.readText()"
    eventually(lambda: tab.page.evaluate(copied) == "needle-2", 10, "the copied text")
    tab.run("echo still-$((1 + 1))", "still-2")  # the focus is back in the shell


def test_what_is_pasted_comes_in_brackets_where_the_shell_wants_them(tab: Tab) -> None:
    tab.run(r"printf '\e[?2004h'; echo on-$((1 + 1))", "on-2")
    tab.type("cat -v\n")
    tab.page.evaluate("() => navigator.clipboard.writeText('pasted')")
    tab.page.keyboard.press("Control+Shift+V")
    tab.type("\n")
    tab.sees("^[[200~pasted^[[201~")
    tab.page.keyboard.press("Control+C")


def test_the_shell_names_the_tab(tab: Tab) -> None:
    tab.type(r"printf '\e]2;%s\a' compiling" + "\n")
    expect(tab.page).to_have_title("compiling · dockbox")


def test_the_size_of_the_font_is_kept(tab: Tab) -> None:
    before = size(tab)
    tab.page.get_by_role("button", name="Menu").click()
    for _ in range(4):
        tab.page.get_by_role("button", name="Larger").click()
    eventually(lambda: size(tab) != before, 10, "fewer letters")
    larger = size(tab)
    tab.page.reload()
    tab.ready()
    eventually(lambda: size(tab) == larger, 10, larger)


def test_the_keyboard_gets_out_of_the_terminal(tab: Tab) -> None:
    expect(tab.page.get_by_label("Terminal input")).to_be_focused()
    tab.page.keyboard.press("Tab")
    expect(tab.page.get_by_label("Terminal input")).to_be_focused()
    tab.page.keyboard.press("Control+Shift+E")
    expect(tab.page.get_by_role("button", name="Menu")).to_be_focused()


def test_a_screen_reader_reads_the_output(tab: Tab) -> None:
    tab.page.get_by_role("button", name="Menu").click()
    tab.page.get_by_label("Screen reader mode").check()
    tab.page.keyboard.press("Escape")
    tab.page.locator(".screen").click()
    tab.run("echo aloud-$((1 + 1))", "aloud-2")
    expect(tab.page.locator(".xterm-accessibility")).to_contain_text("aloud-2")


def test_a_phone_has_the_keys_that_it_lacks(open_tab: OpenTab, box: str, shared: Server) -> None:
    tab = open_tab(f"/{box}", **PHONE).ready()
    wide = "() => document.documentElement.scrollWidth <= innerWidth"
    assert tab.page.evaluate(wide)
    keys = tab.page.get_by_role("toolbar", name="Keys")
    tab.run("echo up-$((1 + 1))", "up-2")
    keys.get_by_role("button", name="Up").tap()
    tab.type("\n")
    tab.sees("up-2\n")
    eventually(lambda: tab.text().count("\nup-2") == 2, 10, "the command once more")
    tab.type("cat\n")
    keys.get_by_role("button", name="Ctrl").tap()
    tab.shoot("phone")
    tab.type("c")
    tab.prompts().run("echo out-$((1 + 1))", "out-2")
    assert tab.page.evaluate(wide)
