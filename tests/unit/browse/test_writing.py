"""Files that are there whole or not at all, and what is removed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dockbox.browse import writing
from dockbox.browse.way import place
from dockbox.errors import (
    AlreadyThere,
    BadRequest,
    Conflict,
    DockboxError,
    Forbidden,
    LinkNotFollowed,
    NoSuchFile,
    StorageFailed,
)
from dockbox.sources import files

from .deeds import upload


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
