"""Folders in pages, and files as they are sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dockbox.browse import listing, reading, writing
from dockbox.browse.way import place
from dockbox.errors import (
    Conflict,
    Forbidden,
)

from ..sources.test_files import as_nobody, open_way
from .deeds import listed, upload

# --- folders --------------------------------------------------------------------------------


def test_of_a_folder_only_so_many_entries_are_looked_at(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        (root / str(number)).touch()
    monkeypatch.setattr(listing, "MOST", 50)
    assert listed(root)["truncated"] is False
    monkeypatch.setattr(listing, "MOST", 20)
    page, seen = listed(root), []
    while True:
        assert page["truncated"] is True
        seen += [item["name"] for item in page["items"]]
        if page["next"] is None:
            break
        page = listed(root, after=page["next"])
    assert len(seen) == 20 and seen == sorted(set(seen))


def test_folders_come_first_on_whichever_page(root: Path) -> None:
    for name in ("b", "a", "\udcff"):
        (root / name).touch()
    for name in ("z", "y"):
        (root / name).mkdir()
    first = listed(root, limit=3)
    second = listed(root, limit=3, after=first["next"])
    assert [item["name"] for item in first["items"]] == ["y", "z", "a"]
    assert [item["path"] for item in second["items"]] == ["b", "%FF"]
    assert second["items"][1]["name"] == "\N{REPLACEMENT CHARACTER}" and second["next"] is None


def test_what_goes_while_it_is_described_is_left_out(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (root / name).touch()
    key = listing._key

    def going(entry: os.DirEntry[str]) -> listing.Key:
        (root / "a").unlink(missing_ok=True)
        return key(entry)

    monkeypatch.setattr(listing, "_key", going)
    assert [item["name"] for item in listed(root)["items"]] == ["b"]


def test_a_time_that_no_calendar_has_is_none() -> None:
    for seconds in (1e20, -1e20, float("inf"), float("nan")):
        assert listing.moment(seconds) is None
    assert listing._iso(listing.moment(-1.0)) == "1969-12-31T23:59:59.000Z"


def test_what_is_closed_to_the_server_says_so(root: Path) -> None:
    """A container's root may close what it likes."""
    (root / "closed").mkdir()
    (root / "closed/file").touch()
    (root / "secret").touch()
    (root / "names").mkdir()
    (root / "names/file").touch()
    for name, mode in (("closed", 0), ("secret", 0o600), ("names", 0o444)):
        (root / name).chmod(mode)
    root.chmod(0o755)
    open_way(root.parent)

    def refused(work: Callable[[], object]) -> bool:
        try:
            work()
        except Forbidden as error:
            return "root" in error.message.lower()
        return False

    def all_refused() -> bool:
        seen = listed(root, b"names")["items"]
        return seen[0]["type"] == "other" and all(
            refused(work)
            for work in (
                lambda: listed(root, b"closed"),
                lambda: listed(root, b"closed/file"),
                lambda: listed(root, b"secret"),
                lambda: upload(root, b"new"),
                lambda: writing.make_folder(root, place(b"new/"), False),
                lambda: writing.remove(root, place(b"secret")),
            )
        )

    if not os.geteuid():
        assert as_nobody(all_refused)


# --- files ----------------------------------------------------------------------------------


def test_a_file_is_text_if_it_begins_like_it(root: Path) -> None:
    cut = b"x" * (reading.LOOKED_AT - 1) + "é".encode()
    for data, is_text in (
        (b"", True), ("ünï".encode(), True), (b"\xff", False), (b"a\0b", False),
        ("ü".encode()[:1], False), (cut, True),
    ):  # fmt: skip
        (root / "file").write_bytes(data)
        file = listed(root, b"file")
        assert file.is_text is is_text, data[:10]
        file.close()


def test_a_file_ends_where_it_was_told_to(root: Path) -> None:
    (root / "file").write_bytes(b"x" * 200_000)
    file = listed(root, b"file")
    with open(root / "file", "ab") as more:
        more.write(b"y" * 200_000)
    assert b"".join(file.pieces(0, file.size)) == b"x" * 200_000
    os.truncate(root / "file", 10)
    with pytest.raises(Conflict):
        list(file.pieces(0, file.size))
    file.close()


def test_a_file_that_is_another_one_has_another_tag(root: Path) -> None:
    tags = set()
    for data in (b"one", b"two", b"four"):
        upload(root, b"file", data)
        os.utime(root / "file", (0, 0))
        file = listed(root, b"file")
        tags.add(file.etag)
        file.close()
    assert len(tags) == 3
