"""Trees that are too deep, too large or gone meanwhile, and what detection gives them."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dockbox.environment import detect
from dockbox.errors import FetchTimeout
from dockbox.sources.base import Deadline

from ...support.internals import open_files
from .meanwhile import Meanwhile, within

module = importlib.import_module("dockbox.environment.detect")


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

    assert detect(tree, Meanwhile(1, act)) == "ruby"


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

    assert detect(tree, Meanwhile(1, act)) == "ruby"


def test_a_tree_that_vanishes_or_is_not_there_has_no_language(tree: Path) -> None:
    assert detect(tree / "nowhere") is None
    assert detect(tree / "a.rb") is None
    (tree / "sub").mkdir()
    detect(tree, Meanwhile(1, lambda: shutil.rmtree(tree)))


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
    detect(tree, Meanwhile(1, lambda: shutil.rmtree(tree / "a")))
    with pytest.raises(FetchTimeout):
        detect(tree, Deadline(0))
    # none of these: what earlier tests have left may be closed meanwhile
    assert [at for at in open_files(os.getpid()) if at.startswith(str(tree.parent))] == []
