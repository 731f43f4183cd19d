"""Ways to files, folders in pages, and files that are there whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dockbox.browse import listing, reading, room, writing
from dockbox.browse.way import Place, place
from dockbox.errors import (
    AlreadyThere,
    BadRequest,
    Busy,
    Conflict,
    DockboxError,
    FetchTimeout,
    Forbidden,
    LinkNotFollowed,
    NoRoom,
    NoSuchFile,
    StorageFailed,
)
from dockbox.sources import files

from ..sources.test_files import as_nobody, open_way


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A dockbox's folder; whatever a test does with it, no descriptor stays open."""
    folder = tmp_path / "box"
    folder.mkdir()
    folder.chmod(0o2775)
    before = os.listdir("/proc/self/fd")
    yield folder
    assert os.listdir("/proc/self/fd") == before


def upload(root: Path, path: bytes, data: bytes = b"data", replace: bool = True) -> bool:
    file = writing.Upload(root, place(path), replace, len(data))
    try:
        file.write(data)
        return file.commit()
    finally:
        file.close()


def listed(root: Path, path: bytes = b"", limit: int = 10, after: str | None = None) -> Any:
    return reading.look(root, place(path), limit, after)


# --- places ---------------------------------------------------------------------------------


def test_a_place_has_one_address() -> None:
    assert place(b"") == Place((), True)
    assert place(b"a/b") == Place(("a", "b")) and place(b"a/b/") == Place(("a", "b"), True)
    odd = b"\xff\n%/\xe2\x82\xac"
    assert place(odd).address == "%FF%0A%25/%E2%82%AC"
    for bad in (b"/", b"//", b"a//b", b".", b"a/..", b"../a", b"a\0b", b"a//", b"/a", b"x" * 256):
        with pytest.raises(BadRequest):
            place(bad)


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


# --- uploads --------------------------------------------------------------------------------


@pytest.fixture(params=["unnamed", "named"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """On file systems that know files without a name, and on others."""
    if request.param == "named":
        unnamed = os.O_TMPFILE
        opened = os.open

        def without(path: Any, flags: int, *more: Any, **named: Any) -> int:
            if flags & unnamed == unnamed:
                raise OSError(95, "not supported")
            return opened(path, flags, *more, **named)

        monkeypatch.setattr(os, "open", without)
    return str(request.param)


def test_a_file_is_there_whole_or_not_at_all(root: Path, kind: str) -> None:
    for name in (b"file", b"new/deep/file"):
        file = writing.Upload(root, place(name), True, 100)
        file.write(b"half of ")
        assert [p.name for p in root.rglob("*") if not p.name.startswith(".dockbox")] == []
        assert len(list(root.iterdir())) == (kind == "named")
        file.close()
        assert list(root.iterdir()) == []
        assert upload(root, name) and (root / os.fsdecode(name)).read_bytes() == b"data"
        assert not upload(root, name, b"other")
        assert (root / os.fsdecode(name)).read_bytes() == b"other"
        writing.remove(root, place(name.split(b"/")[0]))
    assert list(root.iterdir()) == []


def test_modes_are_those_of_shared_files_whatever_the_umask(root: Path, kind: str) -> None:
    before = os.umask(0o077)
    try:
        upload(root, b"new/deep/file")
        writing.make_folder(root, place(b"other/deep/"), False)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in root.rglob("*")}
    assert modes == {"new": 0o2775, "deep": 0o2775, "file": 0o664, "other": 0o2775}


def test_who_comes_second_with_a_name_that_must_be_new_is_refused(root: Path, kind: str) -> None:
    first = writing.Upload(root, place(b"file"), False, None)
    second = writing.Upload(root, place(b"file"), False, None)
    assert first.commit()
    with pytest.raises(AlreadyThere):
        second.commit()
    third = writing.Upload(root, place(b"other"), True, None)
    third.write(b"third")
    (root / "other").write_bytes(b"meanwhile")
    assert not third.commit()
    for file in (first, second, third):
        file.close()
    assert sorted(path.name for path in root.iterdir()) == ["file", "other"]
    assert (root / "other").read_bytes() == b"third"


@pytest.mark.parametrize("what", ["link", "folder", "fifo", "link before", "way"])
def test_what_comes_to_be_there_meanwhile_is_not_written_through(
    root: Path, tmp_path: Path, kind: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"kept")
    file = writing.Upload(root, place(b"new/file" if what == "way" else b"file"), True, None)
    file.write(b"evil")
    errors: dict[str, tuple[type[DockboxError], Callable[[], object]]] = {
        "link": (LinkNotFollowed, lambda: (root / "file").symlink_to(outside / "file")),
        "folder": (Conflict, lambda: (root / "file").mkdir()),
        "fifo": (Forbidden, lambda: os.mkfifo(root / "file")),
        "way": (LinkNotFollowed, lambda: (root / "new").symlink_to(outside)),
    }
    if what == "link before":  # after the last look: the link itself is replaced
        (root / "file").touch()
        present = file._present

        def late(folder: int) -> os.stat_result | None:
            found = present(folder)
            (root / "file").unlink()
            (root / "file").symlink_to(outside / "file")
            return found

        monkeypatch.setattr(file, "_present", late)
        assert file.commit() is False and (root / "file").read_bytes() == b"evil"
    else:
        error, act = errors[what]
        act()
        with pytest.raises(error):
            file.commit()
    file.close()
    assert (outside / "file").read_bytes() == b"kept" and len(list(outside.iterdir())) == 1
    assert len(list(root.iterdir())) == 1


def test_a_container_that_removes_what_is_being_written_gets_an_error(
    root: Path, kind: str
) -> None:
    (root / "sub").mkdir()
    file = writing.Upload(root, place(b"sub/file"), True, None)
    for path in (root / "sub").iterdir():
        path.unlink()
    (root / "sub").rmdir()
    file.write(b"x")
    with pytest.raises(NoSuchFile):
        file.commit()
    file.close()


def test_what_a_killed_upload_left_is_swept_and_nothing_else(root: Path) -> None:
    old, young = root / f"{writing.TEMPORARY}old", root / f"{writing.TEMPORARY}young"
    other, folder = root / "old", root / f"{writing.TEMPORARY}folder"
    for path in (old, young, other):
        path.touch()
    folder.mkdir()
    for path in (old, other, folder):
        os.utime(path, (0, 0))
    upload(root, b"new")
    assert sorted(root.iterdir()) == sorted([young, other, folder, root / "new"])
    with pytest.raises(BadRequest):
        upload(root, f"{writing.TEMPORARY}x".encode())


def test_a_disk_without_room_is_told_before_anything_is_sent(root: Path) -> None:
    with pytest.raises(StorageFailed):
        writing.Upload(root, place(b"file"), True, 1 << 60)


def test_the_folder_itself_is_neither_made_nor_removed(root: Path) -> None:
    for act in (
        lambda: writing.remove(root, place(b"")),
        lambda: writing.make_folder(root, place(b""), False),
        lambda: upload(root, b""),
    ):
        with pytest.raises(BadRequest):
            act()
    assert root.is_dir()


def test_what_withstands_removal_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "sub").mkdir()
    monkeypatch.setattr(writing, "remove_tree", lambda *_: False)
    with pytest.raises(Forbidden):
        writing.remove(root, place(b"sub"))


def test_a_folder_that_becomes_a_link_before_it_is_opened_is_not_removed_through(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "sub").mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"kept")
    opened = files._open

    def late(name: str, parent: int | None) -> int:
        if name == "sub":
            (root / "sub").rmdir()
            (root / "sub").symlink_to(outside)
        return opened(name, parent)

    monkeypatch.setattr(files, "_open", late)
    writing.remove(root, place(b"sub"))
    assert (outside / "file").read_bytes() == b"kept" and (root / "sub").is_symlink()


# --- room -----------------------------------------------------------------------------------


def test_uploads_count_until_files_are_counted_again(root: Path) -> None:
    now = [0.0]
    rooms = room.Room(10 * room.ENTRY, lambda: now[0])
    assert rooms.check("a", root, 0) == 10 * room.ENTRY
    for _ in range(9):  # however small they are
        rooms.took("a", 1)
    with pytest.raises(NoRoom):
        rooms.check("a", root, room.ENTRY + 1)
    assert rooms.check("a", root, 1) == room.ENTRY
    rooms.took("a", 1)
    with pytest.raises(NoRoom):
        rooms.check("a", root, 0)
    now[0] = room.AGE + 1
    assert rooms.check("a", root, 0) == 10 * room.ENTRY
    for number in range(11):
        (root / str(number)).touch()
    assert rooms.check("a", root, 0)
    rooms.forget("a")
    with pytest.raises(NoRoom):
        rooms.check("a", root, 0)
    assert room.Room(0).check("a", root, 1 << 50) is None


def test_counts_are_bounded_in_number_and_in_time(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "KEPT", 3)
    rooms = room.Room(1 << 30)
    for number in range(10):
        rooms.check(str(number), root, 0)
    assert len(rooms._held) == 3

    def late(*_: object) -> tuple[int, int]:
        raise FetchTimeout()

    monkeypatch.setattr(room, "measure", late)
    with pytest.raises(Busy):
        rooms.check("another", root, 0)
