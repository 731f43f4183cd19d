"""Trees made to trip the detection: what is no file, links, odd names."""

from __future__ import annotations

import importlib
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from dockbox.environment import detect
from dockbox.sources.base import Deadline

from .meanwhile import within

module = importlib.import_module("dockbox.environment.detect")


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
