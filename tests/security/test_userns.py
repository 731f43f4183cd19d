"""An engine whose containers' root is nobody on the host, and files that both sides work with."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import SERVERS
from ..integration.test_create_user import NOBODY, OrdinaryServer
from ..support import images
from ..support.engine import Engine
from ..support.postgres import Postgres
from ..support.run import Run
from ..support.server import Server
from ..support.traces import nothing_left
from ..support.world import World

ROOT_INSIDE = 231072  # on the host, user and group
USER = "daemon"  # some user that is there, and a group of the same name
MB = 2**20


class Remapped(Engine):
    """An engine with a /etc/subuid and a /etc/subgid of its own, in a mount namespace."""

    def _command(self) -> list[str]:
        ids = self.folder / "subids"
        ids.write_text(f"{USER}:{ROOT_INSIDE}:65536\n")
        script = f'mount --bind {ids} /etc/subuid && mount --bind {ids} /etc/subgid && exec "$@"'
        own = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, "sh"]
        return [*own, *super()._command(), "--userns-remap", USER]


@pytest.fixture(scope="module")
def remapped(run: Run) -> Iterator[Engine]:
    engine = Remapped(run, "remapped")
    engine.start()
    try:
        engine.import_image(images.BASH)
        yield engine
    finally:
        engine.close()


class Member(OrdinaryServer):
    """A server of the user nobody, who is a member of the group of the containers' root."""

    groups = (f"--groups={ROOT_INSIDE}",)


@pytest.fixture(scope="module")
def world(run: Run, remapped: Engine, postgres: Postgres) -> Iterator[World]:
    folder = run.folder / f"world-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    world = World(
        run, remapped, folder, postgres.database(), web_concurrency=1, container_disk=64 * MB
    )
    os.chown(remapped.url.removeprefix("unix://"), -1, NOBODY.pw_gid)
    world.server.__class__ = Member
    # what docs/isolation.md tells to do
    os.chown(world.server.mount, NOBODY.pw_uid, ROOT_INSIDE)
    os.chmod(world.server.mount, 0o2770)
    world.server.start()
    yield world
    world.close()


@pytest.fixture
def server(world: World, request: pytest.FixtureRequest) -> Iterator[Server]:
    request.node.stash[SERVERS] = [world.server]
    yield world.server
    world.clean()


def test_root_in_a_dockbox_is_nobody_on_the_host(world: World, server: Server) -> None:
    box = server.create(world.archive())
    with server.connect(box["id"]) as terminal:
        assert terminal.run("id -u", 30) == "0\n"
        assert terminal.run("cat /proc/self/uid_map").split() == ["0", str(ROOT_INSIDE), "65536"]
        api = world.engine.client().api
        pid = api.inspect_container(box["container_id"])["State"]["Pid"]
        assert os.stat(f"/proc/{pid}").st_uid == ROOT_INSIDE


def test_files_are_usable_by_both_sides(world: World, server: Server) -> None:
    url = world.site.repository("both", {"main.py": "1\n", "src/deep/a.py": "2\n"})
    box = server.create(url)
    files = server.mount / box["id"]
    with server.connect(box["id"]) as terminal:
        script = (
            "echo 3 >> main.py && echo 4 > src/deep/new && mkdir -p made/inside "
            "&& touch made/inside/file && rm src/deep/a.py && echo done"
        )
        assert terminal.run(script, timeout=30) == "done\n"
    assert (files / "src/deep/new").stat().st_uid == ROOT_INSIDE
    script = (
        f"cd {files} && cat src/deep/new made/inside/file main.py && echo 5 >> made/inside/file "
        "&& rm made/inside/file src/deep/new && rmdir made/inside made && echo 6 > server"
    )
    done = subprocess.run(
        ["setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", *Member.groups,
         "sh", "-c", script], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "4\n1\n3\n"
    with server.connect(box["id"]) as terminal:
        assert terminal.run("cat server; rm main.py; ls -1", 30) == "6\nserver\nsrc\n"
    assert server.delete(f"/v1/dockbox/{box['id']}").status_code == 204
    nothing_left(server, world.engine, timeout=0)


def test_the_owner_alone_changes_permissions(world: World, server: Server) -> None:
    """What was fetched is the server's: a limit that docs/isolation.md tells."""
    box = server.create(world.archive())
    with server.connect(box["id"]) as terminal:
        assert "not permitted" in terminal.run("chmod 700 main.py 2>&1", 30)
        copy = "cp main.py copy && mv copy main.py && chmod 700 main.py && echo done"
        assert terminal.run(copy) == "done\n"


def test_what_only_the_containers_root_may_read_is_deleted_too(
    world: World, server: Server
) -> None:
    box = server.create(world.archive())
    with server.connect(box["id"]) as terminal:
        script = "mkdir -p hidden/deep && touch hidden/deep/file && chmod 700 hidden/deep hidden"
        assert terminal.run(f"{script} && echo done", timeout=30) == "done\n"
    assert server.delete(f"/v1/dockbox/{box['id']}").status_code == 204
    nothing_left(server, world.engine, timeout=0)


def test_what_the_server_may_not_read_fills_the_disk_all_the_same(
    world: World, server: Server
) -> None:
    box = server.create(world.archive())
    with server.connect(box["id"]) as terminal:
        terminal.send(b"mkdir -m 700 hidden; dd if=/dev/urandom of=hidden/fill bs=1M count=80\r")
        code, reason = terminal.close_code(60)
    assert code == 1011 and reason.startswith("The dockbox held "), reason


def test_nothing_of_it_is_left_on_the_machine(remapped: Engine) -> None:
    assert str(ROOT_INSIDE) not in Path("/etc/subuid").read_text()
