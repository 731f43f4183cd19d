"""Where workers count: few files, that outlive their workers and end with the server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dockbox import slots

from ..support.run import ROOT

COUNT = """
import sys
from dockbox import slots
slots.take(int(sys.argv[1]))
from dockbox import metrics
metrics.CREATES.labels("created").inc()
metrics.OPEN_FILES.set(10)
"""
TOTAL = """
import os
from dockbox import slots
slots.take(99)
from dockbox import metrics
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    for name in (slots.FOLDER, slots.SLOT):
        monkeypatch.setenv(name, "")
    return tmp_path


def python(script: str, *args: str) -> str:
    """What a script prints as a process of its own."""
    command = [sys.executable, "-c", script, *args]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_worker_in_the_place_of_a_dead_one_counts_on_in_its_files(parent: Path) -> None:
    slots.begin()
    folder = Path(os.environ[slots.FOLDER])
    python(COUNT, "0")
    python(COUNT, "1")
    files = {file.name for file in folder.iterdir()}
    for _ in range(2):
        slots.leave(0)
        python(COUNT, "0")
    assert {file.name for file in folder.iterdir()} == files
    slots.leave(1)
    lines = python(TOTAL).splitlines()
    assert 'dockbox_creates_total{outcome="created"} 4.0' in lines
    assert "dockbox_process_open_fds 10.0" in lines  # of those that live
    slots.end()


def test_the_lowest_free_slot_is_given() -> None:
    assert [slots.free(taken) for taken in ([], [0, 1], [1, 2], [0, 2])] == [0, 2, 0, 1]


def test_what_a_killed_server_left_is_removed_and_what_a_living_one_has_stays(parent: Path) -> None:
    python("from dockbox import slots; slots.begin()")  # and its lock ends with it
    (left,) = parent.iterdir()
    (left / "counter_0.db").touch()
    slots.begin()
    (mine,) = parent.iterdir()
    assert mine != left
    python("from dockbox import slots; slots.begin(); slots.end()")  # another server, meanwhile
    assert [*parent.iterdir()] == [mine]
    slots.end()
    assert [*parent.iterdir()] == []


def test_what_others_put_there_by_such_a_name_does_no_harm(parent: Path) -> None:
    os.mkfifo(parent / f"{slots.PREFIX}pipe")
    (parent / "elsewhere").mkdir()
    (parent / f"{slots.PREFIX}link").symlink_to(parent / "elsewhere")
    python("from dockbox import slots; slots.begin(); slots.end()")  # and does not hang
    assert (parent / "elsewhere").is_dir()
