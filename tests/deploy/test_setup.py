"""setup_ec2.sh on a machine of its own: this one's root file system, as if it were another's.

SETUP_ROOT names another root file system to begin with; ``make test-setup`` makes one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from ..support.engine import Engine
from ..support.machine import Machine
from ..support.postgres import PASSWORD, Postgres
from ..support.processes import children, end, free_port, launch
from ..support.run import ROOT, Run
from ..support.waiting import eventually

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "instance", "artefacts", "vendor",
    "node_modules",
)  # fmt: skip


class Outcome(NamedTuple):
    code: int
    said: str


class Host:
    """The machine, and what an operator does on it."""

    def __init__(self, machine: Machine, checkout: Path, settings: dict[str, str]) -> None:
        self.machine, self.checkout, self.settings = machine, checkout, settings

    def git(self, *arguments: str) -> str:
        """On the checkout, from outside: a bare machine has no git."""
        who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
        command = ["git", "-C", str(self.checkout), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, **files: str) -> str:
        """Change ``files`` of the checkout; the new version."""
        for name, text in files.items():
            (self.checkout / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "another version")
        return self.git("rev-parse", "HEAD")

    def setup(self, *options: str, **settings: str) -> Outcome:
        """Run the script; ``settings`` are given through standard input."""
        lines = "".join(f"{name}='{value}'\n" for name, value in settings.items())
        options = (*options, "--settings", "-") if settings else options
        done = self.machine.run(f"{self.checkout}/setup_ec2.sh", *options, input=lines)
        return Outcome(done.returncode, done.stdout + done.stderr)

    def installed(self) -> str:
        return Path(os.readlink(self.machine.path("/opt/dockbox"))).name


class Installed(NamedTuple):
    """A machine after the first run, and how it went."""

    host: Host
    dry: Outcome
    changed_by_dry: set[str]
    first: Outcome


@pytest.fixture(scope="module")
def host(run: Run, engine: Engine, postgres: Postgres) -> Iterator[Host]:
    machine = Machine(run, Path(os.environ.get("SETUP_ROOT", "/")))
    settings = {
        **postgres.database(), "PORT": str(free_port()), "HOST": "127.0.0.1", "PROXIES": "1",
        "DOCKER_SERVER_HOST": engine.url, "MOUNT_POINT": "/srv/boxes", "AUTH": "none",
    }  # fmt: skip
    try:
        checkout = run.folder / "checkout"  # which the machine sees as well
        shutil.copytree(ROOT, checkout, ignore=LEFT_OUT)
        yield Host(machine, checkout, settings)
    finally:
        machine.close()


@pytest.fixture(scope="module")
def installed(host: Host) -> Installed:
    host.git("init", "--quiet")
    host.commit()
    before = host.machine.written()
    dry = host.setup("--dry-run", **host.settings)
    changed = {name for name, entry in host.machine.written().items() if before.get(name) != entry}
    return Installed(host, dry, changed, host.setup(**host.settings))


def test_a_dry_run_says_what_the_first_run_does_and_changes_nothing(installed: Installed) -> None:
    assert installed.dry.code == 0, installed.dry.said
    assert installed.changed_by_dry == set()
    would = {line[6:] for line in installed.dry.said.splitlines() if line.startswith("would ")}
    assert installed.first.code == 0, installed.first.said
    done = set(installed.first.said.splitlines())
    # dockbox.service enables the socket as well, and without git the version is not known yet
    foreseen = {line for line in would if "unknown" not in line} - {"enable dockbox.socket"}
    assert foreseen <= done
    assert {"make the user dockbox", "bring the database's tables up to date"} <= would


def test_a_second_run_changes_nothing_and_says_so(installed: Installed) -> None:
    host = installed.host
    before = host.machine.written()
    again = host.setup()
    assert again.code == 0, again.said
    assert "nothing to change" in again.said
    assert host.machine.written() == before


def test_the_password_is_read_by_root_and_the_service_alone_and_said_nowhere(
    installed: Installed,
) -> None:
    for said in (installed.dry.said, installed.first.said):
        assert PASSWORD not in said
    machine = installed.host.machine
    entry = machine.path("/etc/dockbox.env").stat()
    group = machine.run("id", "-g", "dockbox").stdout.strip()
    assert (entry.st_mode & 0o777, entry.st_uid, str(entry.st_gid)) == (0o640, 0, group)
    assert not machine.path("/etc/dockbox.env.new").exists()


def test_a_server_as_the_unit_starts_it_is_ready(installed: Installed, tmp_path: Path) -> None:
    machine, settings = installed.host.machine, installed.host.settings
    lines = machine.path("/etc/systemd/system/dockbox.service").read_text().splitlines()
    unit = dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")
    assert (unit["User"], unit["WorkingDirectory"]) == ("dockbox", "/opt/dockbox")
    as_service = ["/opt/dockbox/deploy/as-dockbox", *shlex.split(unit["ExecStart"])]
    as_service[1] = Path(as_service[1]).name  # of the same environment
    log = tmp_path / "log"
    socket = settings["DOCKER_SERVER_HOST"].removeprefix("unix://")
    group = os.stat(socket).st_gid
    os.chown(socket, -1, int(machine.run("getent", "group", "docker").stdout.split(":")[2]))
    command = machine.command(*as_service)
    server = launch(command, log, machine.environment())

    def answer() -> requests.Response | None:
        assert server.poll() is None, log.read_text()
        with contextlib.suppress(requests.ConnectionError):
            ready = requests.get(f"http://127.0.0.1:{settings['PORT']}/ready", timeout=10)
            return ready if ready.ok else None  # each of the two may be slow once
        return None

    try:
        ready = eventually(answer, 30, "an answer that it is ready")
        assert (ready.status_code, ready.json()) == (200, {"database": "ok", "docker": "ok"})
        status = Path(f"/proc/{children(server.pid)[0]}/status").read_text()
        assert f"\nUid:\t{machine.run('id', '-u', 'dockbox').stdout.strip()}\t" in status
    finally:
        for pid in children(server.pid):  # nsenter passes nothing on
            os.kill(pid, signal.SIGTERM)
        end(server, signal.SIGTERM, 40)
        os.chown(socket, -1, group)


def test_the_units_name_the_address_and_the_folder_of_the_settings(installed: Installed) -> None:
    units, settings = "/etc/systemd/system", installed.host.settings
    path = installed.host.machine.path
    text = path(f"{units}/dockbox.service.d/setup.conf").read_text()
    assert "RequiresMountsFor=/srv/boxes\n" in text
    assert "ReadWritePaths=/srv/boxes\n" in text
    text = path(f"{units}/dockbox.socket.d/setup.conf").read_text()
    assert f"ListenStream=\nListenStream=127.0.0.1:{settings['PORT']}\n" in text
    for wanted in ("multi-user.target.wants/dockbox", "docker.service.requires/dockbox-firewall"):
        assert path(f"{units}/{wanted}.service").is_symlink()


def test_docker_keeps_its_settings_and_containers_live_on(installed: Installed) -> None:
    host = installed.host
    daemon = host.machine.path("/etc/docker/daemon.json")
    assert json.loads(daemon.read_text())["live-restore"] is True
    daemon.write_text('{"dns": ["192.0.2.1"]}\n')
    assert host.setup().code == 0
    assert json.loads(daemon.read_text()) == {"dns": ["192.0.2.1"], "live-restore": True}


def test_an_engine_that_is_open_to_the_world_is_refused(installed: Installed) -> None:
    host = installed.host
    daemon = host.machine.path("/etc/docker/daemon.json")
    text = daemon.read_text()
    try:
        for address in ("tcp://0.0.0.0:2375", "tcp://:2375", "tcp://[::]:2375"):
            daemon.write_text(f'{{"hosts": ["unix:///run/docker.sock", "{address}"]}}\n')
            refused = host.setup()
            assert refused.code == 1
            assert "Docker listens on TCP at all addresses without TLS" in refused.said
        daemon.write_text('{"tlsverify": true, "hosts": ["tcp://0.0.0.0:2376"]}\n')
        warned = host.setup("--dry-run")
        assert warned.code == 0
        assert "let only dockbox's servers reach the port" in warned.said
    finally:
        daemon.write_text(text)


def test_settings_that_do_not_work_leave_the_old_ones(installed: Installed) -> None:
    host = installed.host
    file = host.machine.path("/etc/dockbox.env")
    before = file.read_text()
    failed = host.setup(IDLE_TIMEOUT="soon")
    assert failed.code == 1, failed.said
    assert "nothing that ran was touched" in failed.said
    assert file.read_text() == before
    changed = host.setup(IDLE_TIMEOUT="90")
    assert changed.code == 0
    assert "write /etc/dockbox.env\n" in changed.said
    assert set(file.read_text().splitlines()) == {*before.splitlines(), "IDLE_TIMEOUT='90'"}


def test_without_the_settings_nothing_runs_with_those_for_development(installed: Installed) -> None:
    machine = installed.host.machine
    file = machine.path("/etc/dockbox.env")
    file.rename(file.with_suffix(".away"))
    try:
        done = machine.run("/opt/dockbox/deploy/as-dockbox", "flask", "--version")
    finally:
        file.with_suffix(".away").rename(file)
    assert done.returncode == 1
    assert "No such file or directory: '/etc/dockbox.env'" in done.stderr


def test_an_upgrade_is_asked_for_and_one_that_does_not_start_is_not_switched_to(
    installed: Installed,
) -> None:
    host = installed.host
    first = host.installed()
    second = host.commit()
    assert f"{first[:12]} stays installed" in host.setup().said
    assert host.installed() == first
    done = host.setup("--upgrade")
    assert done.code == 0, done.said
    assert host.installed() == second

    wsgi = (host.checkout / "wsgi.py").read_text()
    broken = host.commit(**{"wsgi.py": wsgi + "\nraise RuntimeError('broken')\n"})
    failed = host.setup("--upgrade")
    assert failed.code == 1, failed.said
    assert f"dockbox {broken[:12]} does not start" in failed.said
    assert host.installed() == second


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--frob",), "does not know '--frob'"),
        (("--storage", "somewhere"), "--storage is HOST:/PATH or fs-…"),
        (("--purge",), "--purge goes with --uninstall"),
        (("--settings", "/nowhere"), "cannot read /nowhere"),
        (("--storage", "fs-0123abcd", "--dry-run"), "needs amazon-efs-utils"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_changed(
    installed: Installed, options: tuple[str, ...], said: str
) -> None:
    before = installed.host.machine.written()
    outcome = installed.host.setup(*options)
    assert outcome.code == 1
    assert said in outcome.said
    assert installed.host.machine.written() == before


def test_an_nfs_is_mounted_with_the_options_that_efs_asks_for(installed: Installed) -> None:
    outcome = installed.host.setup("--storage", "fs-0123abcd.efs.example.org:/", "--dry-run")
    assert outcome.code == 0
    for line in ("write /etc/fstab", "mount fs-0123abcd.efs.example.org:/ at /srv/boxes"):
        assert f"would {line}\n" in outcome.said


def test_another_system_and_who_is_not_root_are_refused(installed: Installed) -> None:
    host = installed.host
    done = host.machine.run("setpriv", "--reuid=65534", f"{host.checkout}/setup_ec2.sh")
    assert (done.returncode, done.stderr[:26]) == (1, "setup_ec2.sh: needs root: ")
    release = host.machine.path("/usr/lib/os-release")
    text = release.read_text()
    release.write_text('ID=fedora\nVERSION_ID=40\nPRETTY_NAME="Fedora 40"\n')
    try:
        refused = host.setup()
    finally:
        release.write_text(text)
    assert refused.code == 1
    assert "knows Debian 12, Ubuntu 22.04 and 24.04; this is Fedora 40" in refused.said


def test_uninstalling_leaves_settings_and_data_and_purging_does_not(installed: Installed) -> None:
    host, path = installed.host, installed.host.machine.path
    path("/srv/boxes/kept").write_text("data")
    done = host.setup("--uninstall")
    assert done.code == 0, done.said
    gone = ("/opt/dockbox", "/opt/dockbox-releases", "/usr/local/sbin/dockbox-firewall")
    for name in gone:
        assert not os.path.lexists(path(name)), name
    assert not list(path("/etc/systemd/system").rglob("dockbox*"))
    assert path("/etc/dockbox.env").exists()
    assert path("/srv/boxes/kept").exists()
    assert "nothing to change" in host.setup("--uninstall").said
    assert host.setup("--uninstall", "--purge").code == 0
    for name in ("/etc/dockbox.env", "/srv/boxes", "/var/lib/dockbox"):
        assert not path(name).exists(), name
    assert host.machine.run("id", "dockbox").returncode == 1
    assert "nothing to change" in host.setup("--uninstall", "--purge").said
