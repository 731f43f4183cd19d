"""Trees made to trip the detection, and trees that change under it."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dockbox.environment import detect
from dockbox.errors import FetchTimeout
from dockbox.sources.base import Deadline

from ...support.internals import open_files

module = importlib.import_module("dockbox.environment.detect")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with one small Ruby file."""
    root = tmp_path / "tree"
    root.mkdir()
    (root / "a.rb").write_bytes(b"x" * 100)
    return root


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the tree, full of Go."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "go.mod").touch()
    (folder / "a.go").write_bytes(b"x" * 99_000)
    (folder / "script").write_bytes(b"#!/usr/bin/perl\n" + b"x" * 99_000)
    return folder


class Meanwhile(Deadline):
    """A deadline that does something when it is asked for the first time."""

    def __init__(self, act: Callable[[], Any]) -> None:
        super().__init__(60)
        self.act: Callable[[], Any] | None = act

    def left(self) -> float:
        act, self.act = self.act, None
        if act:
            act()
        return super().left()


def within(seconds: float, root: Path, deadline: Deadline | None = None) -> str | None:
    """``detect``, failing instead of hanging."""
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(detect(root, deadline)), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "detect hangs or raised"
    return found[0]


@pytest.mark.parametrize("name", ["run", "a.ts", "a.py", "pyproject.toml", "sub.d"])
def test_a_fifo_is_never_opened_and_never_counts(tree: Path, name: str) -> None:
    os.mkfifo(tree / name, 0o755)
    assert within(5, tree) == "ruby"


def test_a_fifo_put_in_the_place_of_a_file_does_not_block(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peek = module._peek

    def swapped(handle: int, name: str) -> Any:
        os.unlink(name, dir_fd=handle)
        os.mkfifo(name, dir_fd=handle)
        return peek(handle, name)

    monkeypatch.setattr(module, "_peek", swapped)
    (tree / "run").write_bytes(b"#!/bin/sh\n")
    assert within(5, tree) == "ruby"


def test_a_fifo_put_in_the_place_of_a_file_is_not_read(tree: Path) -> None:
    os.mkfifo(tree / "run")
    with open(tree / "run", "r+b", buffering=0) as fifo:
        fifo.write(b"#!/bin/sh\n")
        folder = os.open(tree, os.O_DIRECTORY)
        assert module._peek(folder, "run") == b""
        os.close(folder)
        assert fifo.read(2) == b"#!"


def test_a_link_put_in_the_place_of_a_file_is_not_followed(
    tree: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peek = module._peek

    def swapped(handle: int, name: str) -> Any:
        os.unlink(name, dir_fd=handle)
        os.symlink(outside / "script", name, dir_fd=handle)
        return peek(handle, name)

    monkeypatch.setattr(module, "_peek", swapped)
    (tree / "run").touch()
    (tree / "a.rb").write_bytes(b"")  # the link itself is larger
    assert detect(tree) == "ruby"


def test_a_socket_does_not_count(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("a.py")
        assert detect(tree) == "ruby"


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("sub", "../outside"), ("a.go", "../outside/a.go"), ("go.mod", "../outside/go.mod"),
        ("run", "../outside/script"), ("x.ts", "../outside/a.go"), ("loop", "."), ("up", ".."),
        ("self", "self"), ("gone", "nowhere"), ("zero.py", "/dev/zero"), ("root", "/"),
        ("x.xcodeproj", "../outside"),
    ],
)  # fmt: skip
def test_a_link_is_never_followed(tree: Path, outside: Path, name: str, target: str) -> None:
    (tree / name).symlink_to(target)
    assert within(5, tree) == "ruby"


def test_a_tree_that_is_a_link_itself_is_not_followed(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "link").symlink_to(outside)
    assert detect(tmp_path / "link") is None


@pytest.mark.parametrize("depth", [1, 2])
def test_a_folder_that_becomes_a_link_does_not_lead_out(
    tree: Path, outside: Path, depth: int
) -> None:
    (outside / "b").mkdir()
    (outside / "b" / "b.go").write_bytes(b"x" * 99_000)
    (tree / "sub" / "b").mkdir(parents=True)
    (tree / "sub" / "x.md").touch()
    asked = 0

    class Swap(Deadline):
        def left(self) -> float:
            nonlocal asked
            asked += 1
            # two names in the root; after them sub is open, and only its folder b is still to come
            if asked == (1 if depth == 1 else 3):
                (tree / "sub").rename(tree / "moved")
                (tree / "sub").symlink_to(outside)
            return super().left()

    assert detect(tree, Swap(60)) == "ruby"
    assert asked >= 2 * depth


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.py", b"a\nb.py", b"a\r\x1b[2J.py", b"-rf.py", "ü ".encode() + b"\xc3.py"]
)
@pytest.mark.parametrize("folder", [False, True])
def test_odd_names_are_names(tree: Path, name: bytes, folder: bool) -> None:
    path = os.path.join(os.fsencode(tree), name)
    if folder:
        os.mkdir(path)
        path = os.path.join(path, b"code.py")
    with open(path, "wb") as file:
        file.write(b"x" * 9000)
    assert detect(tree) == "python"


@pytest.mark.parametrize("name", [b"\xff", b"a\nb"])
def test_scripts_of_odd_names_are_read(tree: Path, name: bytes) -> None:
    with open(os.path.join(os.fsencode(tree), name), "wb") as file:
        file.write(b"#!/bin/sh\n" + b"x" * 9000)
    assert detect(tree) == "shell"


def nest(root: Path, depth: int, name: str = "d") -> None:
    """Folders in folders, a Python file in every one.

    Long names make a path longer than the system takes.  More than some 900 folders would break
    the recursive rmtree with which pytest tidies up.
    """
    here = os.open(root, os.O_DIRECTORY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
        os.close(os.open("a.py", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@pytest.mark.parametrize(("depth", "name"), [(500, "d"), (60, "d" * 255)])
def test_a_deep_tree_is_read_to_a_bound(
    tree: Path, monkeypatch: pytest.MonkeyPatch, depth: int, name: str
) -> None:
    nest(tree, depth, name)
    opened: list[int] = []
    real = os.scandir

    def counted(handle: int) -> Any:
        opened.append(handle)
        return real(handle)

    monkeypatch.setattr(os, "scandir", counted)
    (tree / "a.rb").write_bytes(b"x" * (module.MAX_DEPTH - 1))  # a weight of MAX_DEPTH
    assert within(30, tree) == "python"  # equal to that of the empty Python files
    assert len(opened) == module.MAX_DEPTH + 1
    (tree / "a.rb").write_bytes(b"x" * module.MAX_DEPTH)
    assert within(30, tree) == "ruby"


@pytest.mark.parametrize("missing", ["unreadable", "vanished", "a file now"])
def test_a_folder_that_cannot_be_read_is_skipped(tree: Path, missing: str) -> None:
    sub = tree / "sub"
    sub.mkdir()
    (sub / "a.py").write_bytes(b"x" * 9000)
    if missing == "unreadable":
        check_as_another_user(tree)
        return

    def act() -> None:
        shutil.rmtree(sub)
        if missing == "a file now":
            sub.touch()

    assert detect(tree, Meanwhile(act)) == "ruby"


def check_as_another_user(tree: Path) -> None:
    """Root may read everything: so a child that is nobody looks, or this process when it may not.

    The child has the tree as its working directory, as the folders above are root's alone.
    """
    (tree / "sub").chmod(0)
    (tree / "b.ts").touch(0)
    (tree / "script").touch(0)
    tree.chmod(0o755)
    code = (
        "import os, sys; from pathlib import Path; from dockbox.environment import detect;"
        "os.chdir(sys.argv[1]); os.getuid() or os.setuid(65534); print(detect(Path('.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tree], stdout=subprocess.PIPE, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(module.__file__ or "").parents[2])},
    )  # fmt: skip
    assert done.stdout == "ruby\n"
    (tree / "sub").chmod(0o755)


def test_files_that_vanish_do_not_count(tree: Path) -> None:
    for number in range(50):
        (tree / f"{number}.py").write_bytes(b"x" * 900)
        (tree / f"script{number}").write_bytes(b"#!/bin/sh\n")
        (tree / f"{number}.ts").write_bytes(b"x" * 900)

    def act() -> None:
        for path in tree.iterdir():
            if path.name != "a.rb":
                path.unlink()

    assert detect(tree, Meanwhile(act)) == "ruby"


def test_a_tree_that_vanishes_or_is_not_there_has_no_language(tree: Path) -> None:
    assert detect(tree / "nowhere") is None
    assert detect(tree / "a.rb") is None
    (tree / "sub").mkdir()
    detect(tree, Meanwhile(lambda: shutil.rmtree(tree)))


@pytest.mark.parametrize(("bound", "language"), [(5, "ruby"), (6, "python")])
def test_only_so_many_names_are_looked_at_those_near_the_root_first(
    tree: Path, monkeypatch: pytest.MonkeyPatch, bound: int, language: str
) -> None:
    for top in ("one", "two"):
        (tree / top / "below").mkdir(parents=True)
        (tree / top / "below" / "a.py").write_bytes(b"x" * 9000)
    monkeypatch.setattr(module, "MAX_ENTRIES", bound)
    assert detect(tree) == language


def test_only_so_many_folders_are_remembered(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        (tree / f"sub{number}").mkdir()
        (tree / f"sub{number}" / "a.py").write_bytes(b"x" * 10)
    assert detect(tree) == "python"
    monkeypatch.setattr(module, "MAX_FOLDERS", 5)
    assert detect(tree) == "ruby"


def test_only_so_many_files_are_opened(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        (tree / f"script{number}").write_bytes(b"#!/bin/sh\n")
    assert detect(tree) == "shell"
    monkeypatch.setattr(module, "MAX_PEEKS", 5)
    assert detect(tree) == "ruby"


def test_a_sparse_file_of_a_terabyte_weighs_no_more_than_the_bound(tree: Path) -> None:
    os.truncate(tree / "a.rb", 1 << 40)
    for name in ("a.py", "b.py"):
        (tree / name).write_bytes(b"x" * 150 * 1024)
    assert detect(tree) == "python"


def test_the_deadline_ends_it(tree: Path) -> None:
    with pytest.raises(FetchTimeout):
        detect(tree, Deadline(0))
    late = Deadline(60)
    late.cancel()
    with pytest.raises(FetchTimeout):
        detect(tree, late)
    assert detect(tree, Deadline(60)) == "ruby"


def test_no_file_stays_open(tree: Path, outside: Path) -> None:
    (tree / "run").write_bytes(b"#!/bin/sh\n")
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "link").symlink_to(outside)
    detect(tree)
    detect(tree, Meanwhile(lambda: shutil.rmtree(tree / "a")))
    with pytest.raises(FetchTimeout):
        detect(tree, Deadline(0))
    # none of these: what earlier tests have left may be closed meanwhile
    assert [at for at in open_files(os.getpid()) if at.startswith(str(tree.parent))] == []
