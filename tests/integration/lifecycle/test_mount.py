"""The file system under the mount point is read-only, or hangs as a network's does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ...conftest import SERVERS
from ...support.engine import Engine
from ...support.processes import need_root
from ...support.run import Run
from ...support.server import Server
from ...support.shared import shared_server
from ...support.site import Site
from ...support.waiting import eventually


@pytest.fixture(scope="module")
def disk(run: Run) -> Iterator[Path]:
    """An ext4 file system of its own."""
    need_root("a file system of the tests' own")
    image, at = run.folder / "disk", run.folder / "disk-mount"
    with open(image, "wb") as file:
        file.truncate(64 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    at.mkdir()
    subprocess.run(["mount", "-o", "loop", image, at], check=True)
    yield at
    subprocess.run(["umount", at], check=True)
    image.unlink()


@pytest.fixture(scope="module")
def only(
    run: Run, engine: Engine, disk: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mount")
    yield from shared_server(
        run, engine, folder, mount_point=disk, idle_timeout=60, web_concurrency=1
    )


@pytest.fixture
def server(only: Server, request: pytest.FixtureRequest) -> Server:
    request.node.stash[SERVERS] = [only]
    return only


@contextmanager
def frozen(at: Path) -> Iterator[None]:
    """Nothing can be written, and who tries waits (fsfreeze(8))."""
    subprocess.run(["fsfreeze", "--freeze", at], check=True)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", at], check=True)


@contextmanager
def read_only(at: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", at], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", at], check=True)


def test_while_the_mount_hangs_all_else_goes_on_and_then_all_is_done(
    server: Server, disk: Path, site: Site
) -> None:
    url = site.repository("project", {"main.py": "print('hello')\n"})
    id, doomed = server.create(url)["id"], server.create(url)["id"]
    with server.connect(id) as terminal, ThreadPoolExecutor() as others:
        terminal.run("answer=42")
        with frozen(disk):
            answers = [
                server.post("/v1/dockbox", json={"url": url}, headers={"Prefer": "wait=1"})
                for _ in range(3)
            ]
            assert [answer.status_code for answer in answers] == [202] * 3
            deleting = others.submit(server.delete, f"/v1/dockbox/{doomed}")
            eventually(
                lambda: server.get(f"/v1/dockbox/{doomed}").status_code == 404, 10, "deleting"
            )
            assert terminal.run("echo $answer") == "42\n"
            assert len(server.get("/v1/dockbox", timeout=5).json()["items"]) == 4
            # Docker has 2 s for its part of the answer
            eventually(lambda: server.get("/ready", timeout=5).status_code == 200, 10, "ready")
        assert deleting.result(30).status_code == 204
    for answer in answers:
        server.wait_state(answer.json()["id"], "stopped", 30)
    assert not (disk / doomed).exists()


def test_on_a_read_only_mount_creating_fails_and_deleting_is_done_later(
    server: Server, disk: Path, site: Site
) -> None:
    url = site.repository("project", {"main.py": "print('hello')\n"})
    id, doomed = server.create(url)["id"], server.create(url)["id"]
    with server.connect(id) as terminal, read_only(disk):
        assert terminal.run("echo here") == "here\n"
        answer = server.post("/v1/dockbox", json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (503, "storage_failed")
        refused = server.delete(f"/v1/dockbox/{doomed}")
        assert (refused.status_code, refused.json()["code"]) == (503, "storage_failed")
    eventually(lambda: not (disk / doomed).exists(), 30, "the files' end")
    assert server.get(f"/v1/dockbox/{doomed}").status_code == 404
    assert server.get(f"/v1/dockbox/{id}").status_code == 200
