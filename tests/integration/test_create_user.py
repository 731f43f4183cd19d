"""Files that the server and the container both make, with a server that is not root."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import SERVERS
from ..support.engine import Engine
from ..support.postgres import Postgres
from ..support.processes import launch
from ..support.run import ROOT, Run
from ..support.server import Server
from ..support.traces import nothing_left
from ..support.waiting import eventually
from ..support.world import World

NOBODY = pwd.getpwnam("nobody")


class OrdinaryServer(Server):
    """A server of the user nobody, in production: nothing of it may need root."""

    groups = ("--clear-groups",)  # besides its own: setpriv's option

    def start(self, timeout: float = 30) -> None:
        self.settings |= {"ENVIRONMENT": "production", "AUTH": "none"}
        environment = self._run.environment(**self.settings)
        flask = [str(Path(sys.executable).with_name("flask")), "--app", "wsgi", "db", "upgrade"]
        subprocess.run(flask, cwd=ROOT, env=environment, check=True, capture_output=True)
        command = [
            "setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", *self.groups,
            str(Path(sys.executable).with_name("gunicorn")), "-c", "deploy/gunicorn.conf.py",
            "wsgi:app",
        ]  # fmt: skip
        self.process = launch(command, self.log_file, environment, ROOT)
        eventually(self._answers, timeout, f"health of the server\n{self.log_file}")


@pytest.fixture(scope="module", params=["root", "nobody"])
def world(
    request: pytest.FixtureRequest, run: Run, engine: Engine, postgres: Postgres
) -> Iterator[World]:
    folder = run.folder / f"world-{uuid.uuid4().hex[:8]}"  # which others reach, unlike pytest's
    folder.mkdir()
    socket = engine.url.removeprefix("unix://")
    group = os.stat(socket).st_gid
    world = World(run, engine, folder, postgres.database(), web_concurrency=1)
    if request.param == "nobody":
        os.chown(socket, -1, NOBODY.pw_gid)
        world.server.__class__ = OrdinaryServer
        os.chown(world.server.mount, NOBODY.pw_uid, NOBODY.pw_gid)
    world.server.start()
    yield world
    world.close()
    os.chown(socket, -1, group)


@pytest.fixture(autouse=True)
def report(world: World, request: pytest.FixtureRequest) -> None:
    request.node.stash[SERVERS] = [world.server]


def test_files_are_usable_by_both_sides(world: World, engine: Engine) -> None:
    server = world.server
    url = world.site.repository("both", {"main.py": "1\n", "src/deep/a.py": "2\n"})
    box = server.create(url)
    files = server.mount / box["id"]
    assert (files / "main.py").stat().st_uid == os.stat(server.mount).st_uid
    with server.connect(box["id"]) as terminal:
        script = (
            "echo 3 >> main.py && echo 4 > src/deep/new && mkdir -p made/inside "
            "&& touch made/inside/file && rm src/deep/a.py && echo done"
        )
        assert terminal.run(script, timeout=30) == "done\n"
    assert (files / "main.py").read_text() == "1\n3\n"
    user = os.stat(server.mount)
    script = (
        f"cd {files} && cat src/deep/new made/inside/file main.py && echo 5 >> made/inside/file "
        "&& rm made/inside/file src/deep/new && rmdir made/inside made && echo 6 > server"
    )
    done = subprocess.run(
        ["setpriv", f"--reuid={user.st_uid}", f"--regid={user.st_gid}", "--clear-groups", "sh",
         "-c", script], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "4\n1\n3\n"
    with server.connect(box["id"]) as terminal:
        assert (
            terminal.run("cat server; echo 7 >> server; rm main.py; ls -1", 30)
            == "6\nserver\nsrc\n"
        )
    assert server.delete(f"/v1/dockbox/{box['id']}").status_code == 204
    nothing_left(server, engine, timeout=0)


def test_what_only_the_containers_root_may_read_is_deleted_too(
    world: World, engine: Engine
) -> None:
    server = world.server
    box = server.create(world.archive())
    with server.connect(box["id"]) as terminal:
        terminal.run(
            "mkdir -p hidden/deep && touch hidden/deep/file .dot '..odd' && ln -s /etc/passwd link "
            "&& chmod 000 hidden/deep/file && chmod 700 hidden/deep hidden && chmod 700 /app",
            timeout=30,
        )
    if world.server.__class__ is OrdinaryServer:
        assert (server.mount / box["id"] / "hidden").stat().st_mode & 0o777 == 0o700
    assert server.delete(f"/v1/dockbox/{box['id']}").status_code == 204
    nothing_left(server, engine, timeout=0)


def test_files_over_http_are_usable_by_both_sides(world: World) -> None:
    server = world.server
    box = server.create(world.archive())
    at = f"/v1/dockbox/{box['id']}/files"
    assert server.request("PUT", f"{at}/new/deep/file", data="1\n").status_code == 201
    with server.connect(box["id"]) as terminal:
        script = (
            "echo 2 >> new/deep/file; mkdir made; echo 3 > made/file; "
            "echo 4 > made/secret; chmod 600 made/secret; mkdir -m 700 closed; touch closed/x; "
            "echo done"
        )
        assert terminal.run(script, timeout=30) == "done\n"
        assert server.get(f"{at}/new/deep/file").text == "1\n2\n"
        assert server.request("PUT", f"{at}/made/file", data="5\n").status_code == 204
        assert server.request("PUT", f"{at}/made/more", data="6\n").status_code == 201
        assert terminal.run("cat made/file made/more; echo 7 > made/more", 30) == "5\n6\n"
        assert server.get(f"{at}/made/more").text == "7\n"
        closed = 403 if server.__class__ is OrdinaryServer else 200
        assert server.get(f"{at}/made/secret").status_code == closed
        assert server.get(f"{at}/closed").status_code == closed
        assert server.delete(f"{at}/closed").status_code == (closed if closed == 403 else 204)
        assert server.delete(f"{at}/made").status_code == 204
    assert server.delete(f"/v1/dockbox/{box['id']}").status_code == 204
