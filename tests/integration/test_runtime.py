"""What containers may and may not do, how they end, and what the engine's client leaves open."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..support import images
from ..support.engine import Engine
from ..support.internals import open_files
from ..support.processes import free_port
from ..support.run import ROOT, Run
from ..support.server import Server
from ..support.shared import new_box, shared_server
from ..support.site import Site
from ..support.waiting import eventually

GRACE, POOL = 4, 64
# CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE
CAPABILITIES = sum(1 << bit for bit in (0, 1, 3, 4, 5, 6, 7, 10))


@pytest.fixture(scope="module")
def server(run: Run, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from shared_server(
        run, engine, tmp_path_factory.mktemp("runtime"), web_concurrency=1, stop_grace=GRACE,
        container_memory="96m", container_cpus="0.5", container_pids=40, scrollback_bytes="128k",
    )  # fmt: skip


def inspect(engine: Engine, server: Server, id: str) -> dict[str, Any]:
    found = engine.client().api.inspect_container(server.box(id)["container_id"])
    return dict(found)


def test_a_container_has_its_limits(server: Server, engine: Engine, site: Site) -> None:
    host = inspect(engine, server, new_box(server, site))["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == 96 * 1024**2
    assert host["NanoCpus"] == 500_000_000
    assert host["PidsLimit"] == 40
    assert host["CapDrop"] == ["ALL"]
    assert sorted(name.removeprefix("CAP_") for name in host["CapAdd"]) == [
        "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID",
    ]  # fmt: skip
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Init"] is True
    assert not host["Privileged"]
    assert host["LogConfig"] == {
        "Type": "local",
        "Config": {"max-size": str(256 * 1024), "max-file": "2", "compress": "false"},
    }


def test_a_container_is_what_a_terminal_needs(server: Server, engine: Engine, site: Site) -> None:
    id = new_box(server, site)
    found = inspect(engine, server, id)
    config = found["Config"]
    assert found["Name"] == f"/dockbox-{id}"
    assert config["Labels"]["dockbox.id"] == id
    assert len(config["Labels"]["dockbox.installation"]) == 36
    assert (config["User"], config["WorkingDir"]) == ("0:0", "/app")
    assert config["Tty"] and config["OpenStdin"]
    assert config["StopSignal"] == "SIGHUP"
    mounts = [(mount["Source"], mount["Destination"], mount["RW"]) for mount in found["Mounts"]]
    assert mounts == [(str(server.mount / id), "/app", True)]


def test_the_limits_hold_inside(server: Server, site: Site) -> None:
    with server.connect(new_box(server, site)) as terminal:
        status = terminal.run("cat /proc/self/status")
        lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        for kind in ("CapEff", "CapPrm", "CapBnd"):
            assert int(lines[kind], 16) == CAPABILITIES, kind
        assert lines["NoNewPrivs"] == "1"
        assert terminal.run("tr '\\0' ' ' </proc/1/cmdline").startswith("/sbin/docker-init -- ")
        many = "(for i in $(seq 60); do sleep 3 & done) 2>&1 | grep -c 'unavailable'"
        assert int(terminal.run(many, timeout=30)) >= 1
        eater = "tail -c 400000000 /dev/zero >/dev/null; echo $?"
        assert "137" in terminal.run(eater, timeout=60)


def test_what_a_build_needs_works(server: Server, site: Site) -> None:
    with server.connect(new_box(server, site)) as terminal:
        assert terminal.run("id -u; pwd") == "0\n/app\n"
        own = "touch f && chown 65534:65534 f && chmod 4755 f && stat -c '%u %g %a' f"
        assert terminal.run(own) == "65534 65534 4755\n"
        assert terminal.run("su -s /bin/sh nobody -c 'id -u'") == "65534\n"
        other = "su -s /bin/sh nobody -c 'sleep 50 >/dev/null & echo $!'"
        assert terminal.run(f"kill $({other}) && echo killed") == "killed\n"
        web = "httpd -p 80 -h /app && wget -q -O - http://127.0.0.1/main.py"
        assert terminal.run(web) == "print('hello')\n"


def test_what_only_an_attacker_needs_is_refused(server: Server, site: Site) -> None:
    with server.connect(new_box(server, site)) as terminal:
        for command, words in {
            "mknod /tmp/disk b 8 0": ("not permitted",),
            "mount -t tmpfs none /mnt || mount -t tmpfs none /tmp": ("denied", "not permitted"),
            "arping -c 1 -I lo 127.0.0.1": ("not permitted",),
            "traceroute -I -m 1 127.0.0.1": ("not permitted", "denied"),
            "chroot / true": ("not permitted",),
            "hostname other": ("not permitted",),
            "echo 1 > /proc/sys/kernel/panic": ("Read-only",),
        }.items():
            output = terminal.run(f"{{ {command}; }} 2>&1; echo code=$?")
            assert "code=0" not in output, (command, output)
            assert any(word in output for word in words), (command, output)


def stop(server: Server, id: str) -> float:
    """Stop it; the seconds that took."""
    began = time.monotonic()
    assert server.post(f"/v1/dockbox/{id}/stop").status_code == 200
    return time.monotonic() - began


def test_a_stop_hangs_up_on_the_shell_and_what_runs_in_it(
    server: Server, engine: Engine, site: Site
) -> None:
    id = new_box(server, site)
    with server.connect(id) as terminal:
        loop = "while :; do sleep .1; done"
        for name in ("sh", "bash"):
            trap = f"trap 'echo {name} >>/app/hup; exit' HUP; echo {name} >>/app/set"
            terminal.run(f'{name} -c "{trap}; {loop}" & :')
        # at its prompt bash ends without running a trap of HUP
        terminal.run("trap 'echo shell >>/app/hup' EXIT")
        slow = "trap 'sleep .7; echo slow >>/app/hup; exit' HUP; echo slow >>/app/set"
        terminal.run(f'sh -c "{slow}; {loop}" & :')
        terminal.run("until [ $(wc -l </app/set) = 3 ]; do sleep .1; done")
        stop(server, id)
        assert terminal.close_code()[0] == 1000
    words = (server.mount / id / "hup").read_text().split()
    assert set(words) == {"bash", "sh", "shell", "slow"}
    assert inspect(engine, server, id)["State"]["ExitCode"] != 137


def test_what_ignores_the_hang_up_is_killed_after_the_grace(
    server: Server, engine: Engine, site: Site
) -> None:
    id = new_box(server, site)
    with server.connect(id) as terminal:
        terminal.run("trap '' HUP TERM INT")
        assert GRACE - 0.1 <= stop(server, id) < GRACE + 20
    assert inspect(engine, server, id)["State"]["ExitCode"] == 137


def test_an_ordinary_shell_does_not_need_the_grace(server: Server, site: Site) -> None:
    id = new_box(server, site)
    with server.connect(id) as terminal:
        terminal.run("echo here")
        quick = stop(server, id)
    again = new_box(server, site)
    with server.connect(again) as terminal:
        terminal.run("trap '' HUP")
        assert quick < stop(server, again)


@pytest.mark.parametrize("image", [images.BASH, images.SH])
def test_a_shell_comes_back_after_its_exit(server: Server, site: Site, image: str) -> None:
    with server.connect(new_box(server, site, image)) as terminal:
        first = terminal.run("echo $$")
        terminal.send(b"exit\r")
        assert terminal.run("echo $$") != first
        shell = "bash" if image == images.BASH else "sh"
        assert shell in terminal.run("tr '\\0' ' ' </proc/$$/cmdline")


def test_a_newcomer_without_a_size_sees_the_prompt(server: Server, site: Site) -> None:
    id = new_box(server, site)
    for _ in range(20):
        with server.connect(id) as terminal:
            terminal.read_until(b"# ")
        eventually(lambda: server.box(id)["connections"] == 0, 30, "no connection")


def test_two_hundred_visits_leave_no_file_open(server: Server, site: Site) -> None:
    [worker] = server.worker_pids()
    id = new_box(server, site)
    before = len(open_files(worker))
    for _ in range(200):
        with server.connect(id, "rows=24&cols=80") as terminal:
            terminal.receive(30)
    eventually(lambda: server.box(id)["connections"] == 0, 30, "no connection")
    # docker-py keeps up to POOL connections for the next calls, of which a visit makes several
    most = before + POOL
    eventually(lambda: len(open_files(worker)) <= most, 20, f"no more than {most} open files")


PING = """
from gevent import monkey
monkey.patch_all()
import dataclasses, json, sys, time
from dockbox.config import Config
from dockbox.errors import DockboxError
from dockbox.runtime.engine import Engine
config = Config.from_env(json.loads(sys.argv[1]))
began = time.monotonic()
try:
    Engine(config, lambda: "").ping(float(sys.argv[2]))
    print("ok", end=" ")
except DockboxError as error:
    print(error.code, end=" ")
print(time.monotonic() - began)
"""


def ping(host: str, timeout: float) -> tuple[str, float]:
    """How ``Engine.ping`` ends, in a process that gevent has patched, and when."""
    others = ("DATABASE_HOST", "DATABASE_PORT", "DATABASE_USER", "DATABASE_PASSWORD")
    settings = {
        "ENVIRONMENT": "development", "PORT": "1", "DATABASE_NAME": "x", "MOUNT_POINT": "/nowhere",
        "DOCKER_SERVER_HOST": host, **dict.fromkeys(others, ""),
    }  # fmt: skip
    command = [sys.executable, "-c", PING, json.dumps(settings), str(timeout)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    word, seconds = done.stdout.split()
    return word, float(seconds)


def test_a_ping_to_an_engine_that_is_not_there_says_so_in_time(
    engine: Engine, tmp_path: Path
) -> None:
    assert ping(engine.url, 20)[0] == "ok"
    assert ping(f"unix://{tmp_path}/nothing", 20)[0] == "runtime_unavailable"
    assert ping(f"127.0.0.1:{free_port()}", 20)[0] == "runtime_unavailable"
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        port = silent.getsockname()[1]
        word, seconds = ping(f"tcp://127.0.0.1:{port}", 1.5)
    assert word == "runtime_unavailable"
    assert 1.4 < seconds < 15
