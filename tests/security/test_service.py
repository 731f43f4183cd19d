"""deploy/dockbox.service: what it gives up, and that dockbox can do without."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
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
from ..support.waiting import eventually
from ..support.world import World

UNIT = ROOT / "deploy/dockbox.service"
NOBODY = pwd.getpwnam("nobody")
MOST_EXPOSED = 18  # tenths, as `systemd-analyze security` counts them
GIVEN_UP = {
    "User": "dockbox", "NoNewPrivileges": "true", "CapabilityBoundingSet": "",
    "AmbientCapabilities": "", "ProtectSystem": "strict", "ProtectHome": "true",
    "PrivateTmp": "true", "PrivateDevices": "true", "ProtectKernelTunables": "true",
    "ProtectKernelModules": "true", "ProtectKernelLogs": "true", "ProtectControlGroups": "true",
    "RestrictNamespaces": "true", "MemoryDenyWriteExecute": "true", "UMask": "0027",
}  # fmt: skip
CONFINE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(65, 1, 0, 0, 0)  # memory is never both writable and executable, where the kernel can
os.umask(0o027)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def directives() -> list[tuple[str, str]]:
    lines = (line.partition("=") for line in UNIT.read_text().splitlines() if line[:1].isalpha())
    return [(name, value) for name, _, value in lines]


def test_the_service_gives_up_what_it_does_not_need() -> None:
    found = directives()
    assert {name: value for name, value in found if name in GIVEN_UP} == GIVEN_UP
    assert ("SystemCallFilter", "@system-service") in found
    values = dict(found)
    assert int(values["TimeoutStopSec"]) >= 35
    assert int(values["LimitNOFILE"]) >= 2 * 10_000
    assert values["Requires"] == "dockbox.socket", "or a start would bind the port by itself"
    assert (values["Type"], values["NotifyAccess"]) == ("notify", "all")
    assert "RestrictSUIDSGID" not in values, "folders shared with containers have the setgid bit"


def test_systemd_reads_the_service_and_finds_it_little_exposed(tmp_path: Path) -> None:
    unit = tmp_path / "dockbox.service"
    # where this checkout and this Python are, since systemd looks for the program
    gunicorn = Path(sys.executable).with_name("gunicorn")
    text = UNIT.read_text().replace("/opt/dockbox/.venv/bin/gunicorn", str(gunicorn))
    unit.write_text(text.replace("/opt/dockbox", str(ROOT)))
    shutil.copy(UNIT.with_suffix(".socket"), tmp_path)
    analyze = shutil.which("systemd-analyze")
    if analyze is None:  # a machine without systemd; what is read above holds
        assert "[Service]" in text
        return
    command = [analyze, "verify", "--man=no", unit, unit.with_suffix(".socket")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    command = [analyze, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", unit]
    done = subprocess.run([*command, "--no-pager"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


# The interpreter of the tests may lie where only root goes; a service's does not.
HIDDEN = any(not folder.stat().st_mode & 1 for folder in Path(sys.executable).resolve().parents)
KEPT = ",+dac_read_search" if HIDDEN else ""


class ConfinedServer(Server):
    """A server of an ordinary user with what of the service's confinement needs no systemd."""

    def start(self, timeout: float = 30) -> None:
        self.settings |= {"ENVIRONMENT": "production", "AUTH": "none"}
        environment = self._run.environment(**self.settings)
        tool = [str(Path(sys.executable).with_name("flask")), "--app", "wsgi", "db", "upgrade"]
        subprocess.run(tool, cwd=ROOT, env=environment, check=True, capture_output=True)
        command = [
            "setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups",
            "--no-new-privs", f"--inh-caps=-all{KEPT}", f"--ambient-caps=-all{KEPT}",
            f"--bounding-set=-all{KEPT}",
            sys.executable, "-c", CONFINE, str(Path(sys.executable).with_name("gunicorn")),
            "-c", "deploy/gunicorn.conf.py", self.app,
        ]  # fmt: skip
        self.process = launch(command, self.log_file, environment, ROOT)
        eventually(self._answers, timeout, f"health of the server\n{self.log_file}")


@pytest.fixture
def world(
    request: pytest.FixtureRequest, run: Run, engine: Engine, postgres: Postgres
) -> Iterator[World]:
    folder = run.folder / f"confined-{uuid.uuid4().hex[:8]}"  # which others reach
    folder.mkdir()
    socket = engine.url.removeprefix("unix://")
    group = os.stat(socket).st_gid
    os.chown(socket, -1, NOBODY.pw_gid)
    world = World(run, engine, folder, postgres.database(), web_concurrency=1)
    world.server.__class__ = ConfinedServer
    os.chown(world.server.mount, NOBODY.pw_uid, NOBODY.pw_gid)
    request.node.stash[SERVERS] = [world.server]
    try:
        world.server.start()
        yield world
    finally:
        world.close()
        os.chown(socket, -1, group)


def test_a_confined_server_does_all_its_work(world: World) -> None:
    server = world.server
    for pid in server.worker_pids():
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        assert (int(status["CapBnd"], 16), int(status["CapEff"], 16)) == (
            (4, 4) if HIDDEN else (0, 0)
        )
        assert (status["NoNewPrivs"], status["Umask"]) == ("1", "0027")
        assert set(status["Uid"].split()) == {str(NOBODY.pw_uid)}
    url = world.site.repository("confined", {"main.py": "print('hello')\n"})
    for source in (url, world.archive()):
        box = server.create(source)
        file = server.mount / box["id"] / "main.py"
        assert file.parent.stat().st_mode & 0o7777 == 0o2775  # in spite of the umask
        with server.connect(box["id"]) as terminal:
            assert terminal.run("cat main.py; touch made; mkdir -m 700 mine", timeout=30)
        assert server.post(f"/v1/dockbox/{box['id']}/stop").status_code == 200
        assert server.delete(f"/v1/dockbox/{box['id']}").status_code == 204
        assert not file.parent.exists()


def test_the_kernel_here_can_forbid_memory_that_is_writable_and_executable() -> None:
    """Or the test above says nothing about MemoryDenyWriteExecute."""
    assert ctypes.CDLL(None).prctl(66, 0, 0, 0, 0) >= 0
