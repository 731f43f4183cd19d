"""A container's tree is hostile while the server measures, shares, reads and deletes it."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from dockbox.environment import detect
from dockbox.errors import FetchTimeout
from dockbox.sources import files
from dockbox.sources.base import Deadline
from dockbox.sources.files import measure, remove, share
from dockbox.sources.walk import walk

from ...support.swapping import Swapper, exchange
from ...unit.sources.test_files import as_nobody, open_way
from .meanwhile import Meanwhile

ROUNDS = 300  # each one sees every folder of the tree


def inside(canary: Path) -> list[tuple[str, int, int]]:
    """All that must stay as it is."""
    found = [canary, *sorted(canary.rglob("*"))]
    return [(path.name, path.lstat().st_mode, path.lstat().st_size) for path in found]


# --- folders and links trade places ---------------------------------------------------------


def test_measuring_never_follows_a_link_that_was_a_folder(swapped: Swapper) -> None:
    swapped.start()
    for _ in range(ROUNDS):
        size, count = measure(swapped.tree)
        assert size < 500_000 and count <= 20


def test_detection_never_follows_a_link_that_was_a_folder(swapped: Swapper) -> None:
    swapped.start()
    assert {detect(swapped.tree) for _ in range(ROUNDS)} <= {"ruby", None}


def test_sharing_never_follows_a_link_that_was_a_folder(swapped: Swapper, canary: Path) -> None:
    before = inside(canary)
    swapped.start()
    for _ in range(ROUNDS):
        share(swapped.tree, Deadline(60))
    assert inside(canary) == before


def test_deleting_never_follows_a_link_that_was_a_folder(
    swapped: Swapper, canary: Path, tmp_path: Path
) -> None:
    before = inside(canary)
    for number in range(20):
        swapper = Swapper(tmp_path / f"tree-{number}", canary)
        swapper.start()
        remove(swapper.tree)
        swapper.stop()
        assert remove(swapper.tree) and not swapper.tree.exists()
    assert inside(canary) == before


def test_a_folder_that_becomes_a_link_before_it_is_entered_is_passed_by(
    tmp_path: Path, canary: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(canary)
    # after its name was read, before it is opened
    late = Meanwhile(1, lambda: exchange(tree / "sub", tmp_path / "link"))
    size, count = measure(tree, late)
    assert (size < 500, count) == (True, 1) and (tree / "sub").is_symlink()


def test_a_part_of_the_way_that_becomes_a_link_does_not_lead_out(
    tmp_path: Path, canary: Path
) -> None:
    tree = tmp_path / "tree"
    (tree / "sub/inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(canary)
    late = Meanwhile(2, lambda: exchange(tree / "sub", tmp_path / "link"))
    size, count = measure(tree, late)
    assert (size < 500, count) == (True, 2)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_modes_are_never_changed_through_a_link(tmp_path: Path, canary: Path, kind: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    if kind == "file":
        (tree / "x").touch()
    else:
        (tree / "x").mkdir()
    (tmp_path / "link").symlink_to(canary / "a.go" if kind == "file" else canary)
    before = inside(canary)
    late = Meanwhile(1, lambda: exchange(tree / "x", tmp_path / "link"))
    share(tree, late)
    assert late.asked and (tree / "x").is_symlink() and inside(canary) == before


def test_a_closed_folder_that_becomes_a_link_is_not_opened_for_deletion(
    tmp_path: Path, canary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who is not root takes the permissions first: those of the folder, not the canary's."""
    tree = tmp_path / "tree"
    (tree / "closed").mkdir(parents=True)
    (tree / "closed").chmod(0)
    canary.chmod(0o500)
    if not os.geteuid():
        subprocess.run(["chown", "-R", "65534:65534", tree, canary], check=True)
    open_way(tmp_path)
    before = inside(canary)
    change = files.change_mode

    def swapping(name: str, mode: int, parent: int | None) -> None:
        (tree / "closed").rename(tree / "moved")
        (tree / "closed").symlink_to(canary)
        change(name, mode, parent)

    monkeypatch.setattr(files, "change_mode", swapping)
    as_nobody(lambda: remove(tree))
    assert inside(canary) == before


def test_a_folder_that_moves_while_it_is_open_is_not_left_by_another_door(
    tmp_path: Path, canary: Path
) -> None:
    """Its ``..`` is somewhere else by now: the walk goes back to where it came from."""
    tree = tmp_path / "tree"
    for name in ("one", "two"):
        (tree / "sub" / name).mkdir(parents=True)
        (tree / "sub" / name / "file").touch()
        (canary / name).mkdir()
        (canary / name / "secret").touch()
    seen, moved = [], False
    for _, entry in walk(tree):
        seen.append(entry.name)
        if entry.name == "file" and not moved:
            moved = True
            first = "one" if _is_open(tree / "sub/one") else "two"
            (tree / "sub" / first).rename(canary / "moved")
    assert sorted(seen) == ["file", "file", "one", "sub", "two"]


def _is_open(folder: Path) -> bool:
    """Whether this process has it open."""
    handles = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return str(folder) in [os.readlink(handle) for handle in handles if os.path.islink(handle)]


def test_what_is_left_of_a_moved_branch_is_passed_by(tmp_path: Path, canary: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("sub/one", "sub/two", "other"):
        (tree / name).mkdir(parents=True)
        (tree / name / "file").touch()
    seen = []
    for _, entry in walk(tree):
        seen.append(entry.name)
        if entry.name == "file" and (tree / "sub").exists():
            for place in ("sub/one", "sub/two", "sub"):
                (tree / place).rename(canary / place.replace("/", "-"))
    assert "a.go" not in seen and seen.count("file") >= 1


# --- odd trees ------------------------------------------------------------------------------


def test_a_deep_tree_is_measured_to_its_end(tmp_path: Path) -> None:
    """Deeper than a path may be long: what lies there counts, and is removed."""
    tree = tmp_path / "tree"
    tree.mkdir()
    here = os.open(tree, os.O_DIRECTORY)
    for _ in range(3000):
        os.mkdir("d" * 50, dir_fd=here)
        below = os.open("d" * 50, os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    with open(os.open("hidden", os.O_CREAT | os.O_WRONLY, dir_fd=here), "wb") as file:
        file.write(b"x" * 100_000)
    os.close(here)
    before = len(os.listdir("/proc/self/fd"))
    try:
        assert measure(tree) == (100_000, 3001)
        share(tree, Deadline(60))
        # fewer, where what earlier tests have left is closed meanwhile
        assert len(os.listdir("/proc/self/fd")) <= before
        assert remove(tree)
    finally:
        subprocess.run(["rm", "-rf", str(tree)], check=True)


def test_fifos_sockets_devices_and_odd_names_hold_nobody_up(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    os.mkfifo(tree / "fifo.py")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(tree / "socket.py"))
    for name in (b"\xff\xfe", b"a\nb", b"\x1b[2J", b"-rf", b" "):
        with open(os.path.join(os.fsencode(tree), name), "wb") as file:
            file.write(b"x")
    if not os.geteuid():
        os.mknod(tree / "device.py", stat.S_IFCHR | 0o666, os.makedev(1, 5))  # /dev/zero
    modes = {path.name: path.lstat().st_mode for path in tree.iterdir() if "." in path.name}
    assert measure(tree) == (5, len(os.listdir(tree)))
    share(tree, Deadline(60))
    assert detect(tree) is None
    assert {path.name: path.lstat().st_mode for path in tree.iterdir() if "." in path.name} == modes
    assert remove(tree)


def test_what_a_file_takes_on_the_disk_counts_and_once(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    with open(tree / "sparse", "wb") as file:
        file.truncate(1 << 40)
    (tree / "real").write_bytes(os.urandom(300_000))
    for number in range(10):
        os.link(tree / "real", tree / f"again-{number}")
    size, count = measure(tree)
    assert 300_000 <= size < 400_000 and count == 12


def test_the_names_that_are_remembered_have_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    for number in range(50):
        (tree / f"{number}/sub/sub").mkdir(parents=True)
        (tree / f"{number}/file").touch()
        os.link(tree / f"{number}/file", tree / f"{number}/again")
    assert measure(tree) == (0, 250)
    monkeypatch.setattr("dockbox.sources.walk.MOST_FOLDERS", 10)
    assert measure(tree)[1] == 50 + 10 * 4
    monkeypatch.setattr(files, "KEPT_LINKS", 1)
    assert measure(tree)[1] == 50 + 10 * 4
    monkeypatch.setattr(files, "MOST_REMEMBERED", 3)
    assert remove(tree)


def test_a_folder_that_is_closed_is_passed_by(tmp_path: Path) -> None:
    """A container's root closes it to a server that is another user."""
    tree = tmp_path / "tree"
    (tree / "closed/inner").mkdir(parents=True)
    (tree / "listed").mkdir()
    (tree / "listed/file").touch()
    (tree / "closed").chmod(0)
    (tree / "listed").chmod(0o444)
    if not os.geteuid():
        subprocess.run(["chown", "-R", "1:1", str(tree)], check=True)
        (tree / "listed").chmod(0o444)
    tree.chmod(0o755)
    open_way(tmp_path)
    assert as_nobody(lambda: measure(tree) == (0, 3))


def test_a_tree_that_grows_for_ever_is_given_up_in_time(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "0").mkdir()

    class Growing(Deadline):
        """Each time there is one more folder to come, until the time is over."""

        depth = 1

        def left(self) -> float:
            self.depth += 1
            (tree / "/".join(map(str, range(self.depth)))).mkdir(exist_ok=True)
            if self.depth > 200:
                self.cancel()
            return super().left()

    with pytest.raises(FetchTimeout):
        measure(tree, Growing(60))
    assert remove(tree)


def test_what_may_not_be_removed_stays_and_is_told(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/kept").touch()
    (tree / "gone").touch()
    if subprocess.run(["chattr", "+i", str(tree / "sub/kept")], check=False).returncode:
        pytest.skip("this file system has no immutable files")
    try:
        assert not remove(tree)
        assert not (tree / "gone").exists()
    finally:
        for path in tree.rglob("kept"):
            subprocess.run(["chattr", "-i", str(path)], check=True)
    assert remove(tree)
