"""What uploads may still take."""

from __future__ import annotations

from pathlib import Path

import pytest

from dockbox.browse import room
from dockbox.errors import (
    Busy,
    FetchTimeout,
    NoRoom,
)


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
