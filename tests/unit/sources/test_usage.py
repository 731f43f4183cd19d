"""What a tree holds on its disk, however those who fill it try to hide that."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockbox.sources.base import Deadline
from dockbox.sources.usage import Usage, usage

from .test_files import as_nobody, open_way

MB = 2**20


def write(path: Path, size: int = MB) -> None:
    path.write_bytes(os.urandom(size))


def look(tree: Path) -> Usage:
    return usage(tree, Deadline(60))


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    tree = tmp_path / "tree"
    tree.mkdir()
    yield tree
    subprocess.run(["rm", "-rf", str(tree)], check=True)  # pytest cannot remove deep ones


def test_it_is_what_du_says(tree: Path) -> None:
    for number in range(30):
        folder = tree / f"{number % 3}" / f"{number}"
        folder.mkdir(parents=True)
        write(folder / "file", 1000 * number)
    found = look(tree)
    du = int(subprocess.check_output(["du", "-sB1", str(tree)]).split()[0])
    assert found.bytes == du - tree.stat().st_blocks * 512
    assert (found.files, found.hidden) == (63, False)


def test_a_sparse_file_counts_for_what_it_takes(tree: Path) -> None:
    with open(tree / "sparse", "wb") as file:
        file.truncate(2**40)
    assert look(tree).bytes < MB


def test_a_file_of_many_names_counts_once(tree: Path) -> None:
    write(tree / "file")
    for number in range(20):
        os.link(tree / "file", tree / str(number))
    found = look(tree)
    assert found.files == 21 and MB <= found.bytes < 1.1 * MB


def test_links_are_not_followed(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    write(outside / "file")
    (tree / "folder").symlink_to(outside)
    (tree / "file").symlink_to(outside / "file")
    (tree / "self").symlink_to(tree)
    os.mkfifo(tree / "fifo")
    found = look(tree)
    assert found.files == 4 and found.bytes < MB


def test_nothing_is_too_deep(tree: Path) -> None:
    """Deeper than the longest path, with something at each level to come back to."""
    here = os.open(tree, os.O_RDONLY)
    depth, name = 10 * 64, "x" * 200
    for _ in range(depth):
        for sibling in ("before", name, "zzz"):
            os.mkdir(sibling, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, os.urandom(MB))
    os.close(file)
    os.close(here)
    before = len(os.listdir("/proc/self/fd"))
    found = look(tree)
    assert found.files == 3 * depth + 1 and found.bytes >= MB
    assert len(os.listdir("/proc/self/fd")) <= before


def test_what_is_moved_meanwhile_hides_no_more_than_itself(tree: Path) -> None:
    for number in range(200):
        (tree / "aside" / "/".join("y" * 100) / str(number)).mkdir(parents=True)
    for number in range(20):
        (tree / f"{number}").mkdir()
        write(tree / f"{number}" / "file")
    over = threading.Event()

    def move() -> None:
        deep = tree / "aside" / "/".join("y" * (64 + 10))
        while not over.is_set():
            deep.rename(tree / "moved")
            (tree / "moved").rename(deep)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        for _ in range(50):
            assert look(tree).bytes >= 20 * MB
    finally:
        over.set()
        mover.join()


def test_what_is_removed_meanwhile_is_no_error(tree: Path) -> None:
    def fill() -> None:
        for number in range(300):
            (tree / "gone" / str(number) / "inner").mkdir(parents=True, exist_ok=True)

    over = threading.Event()

    def remove() -> None:
        while not over.is_set():
            fill()
            shutil.rmtree(tree / "gone")

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        for _ in range(50):
            look(tree)
    finally:
        over.set()
        remover.join()


def test_a_folder_that_may_not_be_read_is_told(tree: Path) -> None:
    for mode in (0o000, 0o311, 0o644):
        folder = tree / f"{mode:o}" / "inner"
        folder.mkdir(parents=True)
        (folder / "file").touch()
        open_way(tree)
        assert as_nobody(lambda: not look(tree).hidden)
        folder.chmod(mode)
        assert as_nobody(lambda: look(tree).hidden), oct(mode)
        folder.chmod(0o755)


def test_when_the_time_is_over_it_tells_what_it_has_seen(tree: Path) -> None:
    write(tree / "file")
    (tree / "a/b").mkdir(parents=True)
    assert usage(tree, Deadline(0)).files == 1
    assert look(tree).files == 3
