"""The files of a dockbox in the page: whatever they are called, and whatever is in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from ..support.server import Server
from ..support.site import Site
from ..support.tab import Tab
from .conftest import OpenTab

SETTINGS = {"idle_timeout": 600, "upload_max_bytes": 400_000}
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True}
HOSTILE = [
    b"<img src=x onerror=alert(1)>.html", "fdp.\u202egnp.exe".encode(), b"two\nlines",
    b"tab\tand\x1b[31m", b"no utf-8 \xff\xfe", b"100%2F..#?&x=1", b"javascript:alert(1)",
]  # fmt: skip
DROP = """async ([name, content]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([content], name));
    const init = { dataTransfer: transfer, bubbles: true, cancelable: true };
    const target = document.querySelector("main > section");
    target.dispatchEvent(new DragEvent("dragover", init));
    target.dispatchEvent(new DragEvent("drop", init));
}"""


@pytest.fixture
def folder(shared: Server, box: str) -> Path:
    """Where the dockbox's files are on this machine."""
    return shared.mount / box


def row(tab: Tab, name: str) -> Locator:
    return tab.page.get_by_role("row").filter(has_text=name)


def names(tab: Tab) -> list[str]:
    return tab.page.locator(".file-name").all_inner_texts()


def test_folders_are_walked_and_files_read(open_tab: OpenTab, box: str, folder: Path) -> None:
    (folder / "src" / "deep").mkdir(parents=True)
    (folder / "src" / "deep" / "read.me").write_bytes(b"<b>bold</b>\r\n\tt\xc3\xa9xt\x1b[31m\n")
    (folder / "src" / "link").symlink_to("/etc/passwd")
    (folder / "src" / "empty").touch()
    tab = open_tab("/~boxes")
    tab.page.get_by_role("link", name="Files of").first.click()
    expect(row(tab, "main.py")).to_contain_text("15 bytes")
    tab.page.get_by_role("link", name="src").click()
    expect(row(tab, "link")).to_contain_text("link → /etc/passwd")
    expect(row(tab, "link").get_by_role("link")).to_have_count(0)
    tab.page.get_by_role("link", name="empty", exact=True).click()
    expect(tab.page.get_by_text("This file is empty.")).to_be_visible()
    tab.page.go_back()
    tab.page.get_by_role("link", name="deep").press("Enter")
    tab.page.get_by_role("link", name="read.me", exact=True).press("Enter")
    expect(tab.page.locator("pre")).to_have_text("<b>bold</b>\n\ttéxt⟨U+001B⟩[31m\n")
    tab.shoot("files-text")
    assert tab.findings() == []
    tab.page.get_by_role("navigation", name="Folders").get_by_role("link", name="src").click()
    expect(row(tab, "deep")).to_be_visible()


def test_of_a_large_file_the_beginning_is_shown_and_of_others_nothing(
    open_tab: OpenTab, shared: Server, box: str, folder: Path
) -> None:
    (folder / "large").write_text("é" * 1_000_000)
    (folder / "binary").write_bytes(b"\0\1\2" * 1000)
    tab = open_tab(f"/~files/{box}?file=large")
    expect(tab.page.get_by_text("The first 262 kB of 2.0 MB.")).to_be_visible()
    assert tab.page.locator("pre").inner_text() == "é" * (128 * 1024)
    tab.page.goto(f"/{box}")  # its terminal, whose menu leads here
    tab.page.get_by_role("button", name="Menu").click()
    tab.page.get_by_role("link", name="Files", exact=True).click()
    name = shared.box(box)["custom_id"]
    expect(tab.page.get_by_role("link", name=f"Terminal of {name}")).to_have_text(name)
    tab.page.get_by_role("link", name="binary", exact=True).click()
    expect(tab.page.get_by_text("This is not text.")).to_be_visible()


@pytest.mark.parametrize("path", ["../../x", "src/%2e%2e/..", "a?b", "%zz"])
def test_an_address_that_the_api_never_gave_asks_for_nothing(
    open_tab: OpenTab, box: str, path: str
) -> None:
    tab = open_tab("about:blank")
    asked: list[str] = []
    tab.page.on("request", lambda one: asked.append(one.url) if "/v1/dockbox" in one.url else None)
    tab.open(f"/~files/{box}?path={path}")
    expect(row(tab, "main.py")).to_be_visible()  # the dockbox's own folder
    paths = {one.partition("?")[0].partition("/v1/dockbox/")[2] for one in asked}
    assert paths == {box, f"{box}/files"}


def test_a_file_is_downloaded_uploaded_and_deleted(
    open_tab: OpenTab, shared: Server, box: str, folder: Path, tmp_path: Path
) -> None:
    tab = open_tab(f"/~files/{box}")
    with tab.page.expect_download() as download:
        tab.page.get_by_role("link", name="Download main.py").click()
    assert download.value.suggested_filename == "main.py"
    assert Path(download.value.path()).read_text() == "print('hello')\n"
    mine = tmp_path / "übung ?#.txt"
    mine.write_bytes(os.urandom(300_000))
    with tab.page.expect_file_chooser() as chooser:
        tab.page.get_by_role("button", name="Upload").press("Enter")
    chooser.value.set_files(mine)
    expect(row(tab, mine.name)).to_contain_text("300 kB")
    assert (folder / mine.name).read_bytes() == mine.read_bytes()
    tab.page.evaluate(DROP, ["main.py", "new"])
    uploads = tab.page.get_by_role("region", name="Uploads")
    expect(uploads.get_by_role("button", name="Replace")).to_be_visible()
    assert (folder / "main.py").read_text() == "print('hello')\n"
    tab.shoot("files-upload")
    assert tab.findings() == []
    uploads.get_by_role("button", name="Replace").press("Enter")
    expect(row(tab, "main.py")).to_contain_text("3 bytes")
    assert (folder / "main.py").read_text() == "new"
    tab.page.get_by_role("button", name="Delete main.py").press("Enter")
    dialog = tab.page.get_by_role("dialog", name="Delete main.py?")
    assert (folder / "main.py").exists()
    dialog.get_by_role("button", name="Delete").click()
    expect(row(tab, "main.py")).to_have_count(0)
    assert not (folder / "main.py").exists()


def test_what_is_too_large_is_refused_in_the_servers_words(
    open_tab: OpenTab, box: str, folder: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "large"
    mine.write_bytes(bytes(3_000_000))
    tab = open_tab(f"/~files/{box}")
    tab.page.locator("input[type=file]").set_input_files(mine)
    said = tab.page.get_by_role("region", name="Uploads").get_by_role("status")
    expect(said).to_have_text("An upload has at most 400000 bytes.")
    assert not (folder / "large").exists()
    tab.page.get_by_role("button", name="Cancel or dismiss large").click()
    expect(tab.page.get_by_role("region", name="Uploads")).to_have_count(0)


def test_a_new_folder_is_made_and_a_wrong_name_refused(
    open_tab: OpenTab, box: str, folder: Path
) -> None:
    tab = open_tab(f"/~files/{box}")
    tab.page.get_by_role("button", name="New folder").press("Enter")
    field = tab.page.get_by_label("Name")
    alert = tab.page.get_by_role("dialog").get_by_role("alert")
    for wrong, told in (("", "Type a name."), ("..", "cannot be a name"), ("main.py", "no folder")):
        field.fill(wrong)
        tab.page.keyboard.press("Enter")
        expect(alert).to_contain_text(told)
        expect(field).to_be_focused()
    field.fill("new #1")
    tab.page.keyboard.press("Enter")
    tab.page.get_by_role("link", name="new #1").click()
    expect(tab.page.get_by_text("This folder is empty.")).to_be_visible()
    assert (folder / "new #1").is_dir()
    tab.shoot("files-empty")


def test_odd_names_are_harmless_and_can_be_used(open_tab: OpenTab, box: str, folder: Path) -> None:
    for name in HOSTILE:
        (folder / os.fsdecode(name)).write_bytes(b"in it")
    tab = open_tab(f"/~files/{box}")
    expect(row(tab, "two⟨U+000A⟩lines")).to_be_visible()
    shown = names(tab)
    assert "<img src=x onerror=alert(1)>.html" in shown and "fdp.⟨U+202E⟩gnp.exe" in shown
    assert "tab⟨U+0009⟩and⟨U+001B⟩[31m" in shown and "no utf-8 \ufffd\ufffd" in shown
    assert tab.page.locator("main img").count() == 0
    tab.shoot("files-odd")
    assert tab.findings() == []
    files = tab.page.locator("a[href*='?file=']")
    expect(files).to_have_count(len(HOSTILE) + 1)
    for at in range(len(HOSTILE) + 1):
        files.nth(at).click()
        expect(tab.page.locator("pre")).to_be_visible()
        tab.page.go_back()
        expect(row(tab, "two⟨U+000A⟩lines")).to_be_visible()
    for button in ("two⟨U+000A⟩lines", "no utf-8", "100%2F", "fdp."):
        tab.page.get_by_role("button", name=f"Delete {button}").click()
        tab.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(row(tab, button)).to_have_count(0)
    left = {os.fsencode(one) for one in os.listdir(folder)}
    assert left & set(HOSTILE) == {HOSTILE[0], HOSTILE[3], HOSTILE[6]}


def test_a_large_folder_is_shown_in_parts(open_tab: OpenTab, box: str, folder: Path) -> None:
    for at in range(250):
        (folder / f"file-{at:03}").touch()
    tab = open_tab(f"/~files/{box}")
    expect(tab.page.get_by_role("row")).to_have_count(201)
    tab.page.get_by_role("button", name="Show more").click()
    expect(row(tab, "main.py")).to_be_visible()
    expect(tab.page.get_by_role("button", name="Show more")).to_have_count(0)


def test_a_dockbox_without_files_says_why(open_tab: OpenTab, shared: Server, site: Site) -> None:
    body = {"url": f"{site.url}/nowhere.git", "name": "broken"}
    shared.post("/v1/dockbox", json=body, headers={"Prefer": "respond-async"})
    shared.wait_state("broken", "failed")
    tab = open_tab("/~files/broken")
    expect(tab.page.get_by_role("alert")).to_contain_text("The dockbox is failed")
    tab.open("/~files/nobodys")
    expect(tab.page.get_by_role("alert")).to_contain_text("There is no such dockbox")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [{}, PHONE], ids=["desk", "phone"])
def test_the_files_have_no_serious_fault(
    open_tab: OpenTab, box: str, folder: Path, scheme: Any, device: dict[str, Any]
) -> None:
    (folder / "docs").mkdir()
    (folder / "a-link").symlink_to("docs/somewhere")
    (folder / ("a-rather-long-name-" * 8)).write_bytes(bytes(123_456))
    tab = open_tab(f"/~files/{box}", color_scheme=scheme, **device)
    expect(row(tab, "main.py")).to_be_visible()
    tab.shoot(f"files-{'phone' if device else 'desk'}-{scheme}")
    assert tab.findings() == []
    assert tab.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
