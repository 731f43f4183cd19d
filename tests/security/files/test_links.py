"""Links in a dockbox, some of which were folders a moment ago, lead the API of files nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...support.callers import Caller
from ...support.swapping import Swapper
from .calls import SECRET, SETTINGS, put

__all__ = ["SETTINGS"]
ROUNDS = 300


def test_links_are_shown_and_removed_and_never_followed(
    ann: Caller, at: str, app: Path, canary: Path
) -> None:
    (app / "file").symlink_to(canary / "secret")
    (app / "folder").symlink_to(canary)
    (app / "near").symlink_to("main.py")
    (app / "up").symlink_to("..")
    (app / "dangling").symlink_to(canary / "made")
    for path in ("file", "folder", "folder/", "folder/secret", "folder/inner/secret", "near", "up",
                 "up/x", "dangling"):  # fmt: skip
        answer = ann.call("GET", f"{at}/{path}")
        assert (path, answer.status_code) == (path, 403)
        assert answer.json()["code"] == "link_not_followed" and SECRET not in answer.content
        assert (path, put(ann, f"{at}/{path}").status_code) == (path, 403)
    for path in ("folder/new", "folder/new/", "folder/inner/new", "up/new", "folder/new/er/"):
        assert (path, put(ann, f"{at}/{path}").status_code) == (path, 403)
    for path in ("folder/secret", "folder/inner", "up/x"):
        assert (path, ann.call("DELETE", f"{at}/{path}").status_code) == (path, 403)
    assert not (canary / "made").exists() and (app / "dangling").is_symlink()
    for path in ("file", "folder/", "near", "up", "dangling"):
        assert ann.call("DELETE", f"{at}/{path}").status_code == 204
    assert sorted(os.listdir(app)) == [".git", "main.py"]


@pytest.fixture
def swapped(app: Path, canary: Path) -> Iterator[Swapper]:
    """Folders of the dockbox that are links to the canary half of the time."""
    swapper = Swapper(app / "tree", canary)
    swapper.start()
    yield swapper
    swapper.stop()


def test_reading_is_never_led_out_by_a_folder_that_becomes_a_link(
    ann: Caller, at: str, swapped: Swapper
) -> None:
    seen = set()
    for _ in range(ROUNDS):
        for path in ("a/0.rb", "top/b/0.rb", "top/below/c/0.rb"):
            answer = ann.call("GET", f"{at}/tree/{path}")
            seen.add(answer.status_code)
            assert answer.status_code == 403 or answer.content == b"x", answer.text
        listed = ann.call("GET", f"{at}/tree/a").text
        assert "secret" not in listed
    assert seen == {200, 403}  # both were met


def test_writing_and_removing_are_never_led_out_by_a_folder_that_becomes_a_link(
    ann: Caller, at: str, swapped: Swapper
) -> None:
    seen = set()
    for number in range(ROUNDS):
        seen.add(put(ann, f"{at}/tree/a/secret").status_code)
        seen.add(put(ann, f"{at}/tree/top/b/new-{number}/file").status_code)
        seen.add(ann.call("DELETE", f"{at}/tree/a/secret").status_code)
        seen.add(ann.call("DELETE", f"{at}/tree/top/below/c/inner").status_code)
    assert {201, 204, 403} <= seen <= {201, 204, 403, 404, 409}


def test_removing_a_folder_never_removes_what_a_link_leads_to(
    ann: Caller, at: str, app: Path, canary: Path
) -> None:
    for number in range(10):
        swapper = Swapper(app / f"tree-{number}", canary)
        swapper.start()
        try:
            assert ann.call("DELETE", f"{at}/tree-{number}").status_code in (204, 403)
        finally:
            swapper.stop()
        assert ann.call("DELETE", f"{at}/tree-{number}").status_code in (204, 404)
