"""A stranger's hour: sources that are odd, hosts that are evil, a server that is in trouble.

Each is one clear JSON error with the right status; the server goes on, and nothing is left over.
"""

from __future__ import annotations

import io
import os
import socket
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from ..conftest import SERVERS
from ..support.engine import Engine
from ..support.processes import free_port
from ..support.run import Run
from ..support.server import Server
from ..support.site import git
from ..support.traces import nothing_left
from ..support.world import World, sqlite, tgz

MOST_BYTES = 4 * 2**20
SOON = 20  # seconds: far below the server's own deadlines of minutes


@pytest.fixture(scope="module")
def world(run: Run, engine: Engine, tmp_path_factory: Any) -> Iterator[World]:
    dead, silent = free_port(), socket.create_server(("127.0.0.1", 0))
    with sqlite() as database, silent:
        world = World(
            run, engine, tmp_path_factory.mktemp("stranger"), database,
            web_concurrency=1, source_max_bytes=MOST_BYTES, source_max_files=500, source_timeout=5,
        )  # fmt: skip
        world.hosts = {  # type: ignore[attr-defined]
            "dead": f"127.0.0.1:{dead}", "silent": "{}:{}".format(*silent.getsockname()),
        }  # fmt: skip
        allowed = [world.site.netloc, *world.hosts.values()]  # type: ignore[attr-defined]
        world.server.settings["PRIVATE_SOURCES"] = ",".join(allowed)  # and no other port
        world.server.start()
        yield world
        world.close()


@pytest.fixture
def server(request: pytest.FixtureRequest, world: World) -> Iterator[Server]:
    request.node.stash[SERVERS] = [world.server]
    yield world.server
    assert world.server.get("/health").status_code == 200
    world.clean()
    nothing_left(world.server, world.engine, timeout=0)


def refused(server: Server, engine: Engine, status: int, code: str, **order: object) -> str:
    """Order what cannot be had; the sentence that says why."""
    answer = server.post("/v1/dockbox", json=order)
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert str(server.mount) not in answer.text
    nothing_left(server, engine, timeout=0)
    return str(answer.json()["error"])


# --- odd sources --------------------------------------------------------------------------


def test_an_empty_repository_is_an_empty_dockbox(server: Server, world: World) -> None:
    folder = world.site.repos / "empty.git"
    folder.mkdir()
    git(folder, "init", "-q", "--bare", ".")
    box = server.create(f"{world.site.url}/empty.git")
    assert (box["commit"], box["language"], box["state"]) == (None, None, "stopped")
    with server.connect(box["id"]) as terminal:
        assert terminal.run("echo 1 > new; ls", timeout=30) == "new\n"


def test_a_repository_of_binary_files_has_no_language(server: Server, world: World) -> None:
    files = {f"data/{number}": os.urandom(5000) for number in range(5)}
    box = server.create(world.site.repository("binary", {**files, "raw": bytes(range(256))}))
    assert (box["language"], box["image"]) == (None, "dockbox-test/bash:1")
    assert (server.mount / box["id"] / "raw").read_bytes() == bytes(range(256))


@pytest.mark.parametrize("how", ["git", "archive"])
def test_odd_file_names_arrive_as_they_are(server: Server, world: World, how: str) -> None:
    names = ["new\nline", "tab\t", " space ", "-rf", "quote'\"", "\\back", "ünï", "\x1b[31m", "*"]
    files = {f"odd/{name}": "x" for name in names}
    make = world.site.repository if how == "git" else world.archive
    box = server.create(make("odd", files))
    folder = server.mount / box["id"] / ("odd" if how == "git" else "")
    assert sorted(os.listdir(folder)) == sorted(names)


@pytest.mark.parametrize("ref", ["nowhere", "v9.9", "0" * 40, "abcdef1", "refs/pull/99/head"])
def test_a_wrong_ref_is_named(server: Server, world: World, ref: str) -> None:
    url = world.site.repository("refs", {"a": "1"})
    said = refused(server, world.engine, 400, "fetch_failed", url=url, ref=ref)
    assert ref in said


def test_what_is_not_there_or_is_private_is_400(server: Server, world: World) -> None:
    world.site.repository("locked", {"a": "1"})
    for path in ("nothing.git", "private/locked.git", "nothing.zip", "nothing"):
        refused(server, world.engine, 400, "fetch_failed", url=f"{world.site.url}/{path}")


def test_a_page_or_a_broken_archive_is_400(server: Server, world: World) -> None:
    url, whole = world.site.url, tgz({"a": os.urandom(9000)})
    world.site.files |= {
        "/page": b"<html>" * 1000, "/page.zip": b"<html>" * 1000, "/cut.tar.gz": whole[:4000],
        "/empty.tar.gz": b"",
    }  # fmt: skip
    for path in ("page", "page.zip", "cut.tar.gz", "empty.tar.gz"):
        refused(server, world.engine, 400, "fetch_failed", url=f"{url}/{path}")


# --- evil or broken hosts -----------------------------------------------------------------


def test_a_host_that_is_dead_or_not_there_is_400(server: Server, world: World) -> None:
    dead = world.hosts["dead"]  # type: ignore[attr-defined]
    for url in (f"http://{dead}/a.git", f"http://{dead}/a.tar.gz", "https://a.invalid/a.git"):
        said = refused(server, world.engine, 400, "fetch_failed", url=url)
        assert "host" in said


def test_a_host_that_says_nothing_is_given_up(server: Server, world: World) -> None:
    silent, began = world.hosts["silent"], time.monotonic()  # type: ignore[attr-defined]
    urls = [f"http://{silent}/{path}" for path in ("a.git", "a.tar.gz", "a")]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda url: server.post("/v1/dockbox", json={"url": url}), urls))
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (400, "fetch_timeout")
        assert "5 seconds" in answer.json()["error"]
    assert time.monotonic() - began < 5 + SOON
    nothing_left(server, world.engine, timeout=0)


def test_no_address_inside_is_reached(server: Server, world: World) -> None:
    hidden = closing(socket.create_server(("127.0.0.1", 0)))
    with hidden as listener:
        port = listener.getsockname()[1]
        for number, target in enumerate((
            f"http://127.0.0.1:{port}", f"http://localhost:{port}", f"http://[::1]:{port}",
            "http://169.254.169.254", "https://10.0.0.1", f"http://[::ffff:127.0.0.1]:{port}",
            f"http://2130706433:{port}",
        )):  # fmt: skip
            refused(server, world.engine, 403, "source_forbidden", url=f"{target}/a.git")
            world.site.redirects[f"/to-{number}"] = target
            for path in ("a.git", "a.tar.gz", "a"):
                url = f"{world.site.url}/to-{number}/{path}"
                refused(server, world.engine, 403, "source_forbidden", url=url)
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()  # nobody has come
    for url in (
        "file:///etc/passwd",
        "ftp://example.com/a",
        "git@example.com:a/b.git",
        "gopher://a",
    ):
        refused(server, world.engine, 403, "source_forbidden", url=url)


def test_redirects_without_end_are_400(server: Server, world: World) -> None:
    world.site.redirects["/round"] = f"{world.site.url}/round"
    refused(server, world.engine, 400, "fetch_failed", url=f"{world.site.url}/round/a.git")


def test_bombs_are_413(server: Server, world: World) -> None:
    bomb = {"zeros": b"\0" * 4 * MOST_BYTES}
    many = {f"file-{number}": "" for number in range(1000)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bomb["zeros"])
    world.site.files["/bomb.zip"] = packed.getvalue()
    for url in (
        world.archive("bomb", bomb),
        world.archive("many", many),
        world.archive("large", {"noise": os.urandom(2 * MOST_BYTES)}),
        world.site.repository("bomb", bomb),
        world.site.repository("many", many),
        f"{world.site.url}/bomb.zip",
    ):
        refused(server, world.engine, 413, "source_too_large", url=url)


def test_an_archive_that_reaches_out_is_403(server: Server, world: World) -> None:
    for name in ("../out", "/etc/out", "a/../../out"):
        url = world.archive("evil", {name: "x"})
        refused(server, world.engine, 403, "source_forbidden", url=url)
    assert not (server.mount.parent / "out").exists()
