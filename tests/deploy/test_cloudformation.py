"""What the machines of deploy/cloudformation do at their first start, where AWS is played."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from dotenv import dotenv_values

from dockbox.config import Config

from ..support.machine import Machine
from ..support.run import ROOT, Run
from ..support.template import FOLDER

PASSWORD = "never-said-anywhere"
PROGRAMS = {
    "aws": """case "$*" in
      *SecretBinary*) base64 "$CHECKOUT/$4.tar" ;;
      *SecretString*) echo "$SECRET" ;;
    esac""",
    "curl": """case "$*" in
      *instance-id) echo i-0123 ;;
      *local-ipv4) echo 10.0.16.5 ;;
      *) echo token ;;
    esac""",
    "blkid": "exit $FOUND",
    **dict.fromkeys(("apt-get", "snap", "systemctl", "mount", "mkfs.ext4"), ""),
}
# setup_ec2.sh itself is tried by test_setup.py
SETUP = """#!/bin/bash
echo "setup $*" >>/done
{ cat; declare -p ${!DATABASE_*} | sed 's/^declare -x //'; } >/settings
"""
VOLUME = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123"


class Started:
    """An instance: ``done`` are the programs of others that its script has run, in their order."""

    def __init__(self, machine: Machine, checkout: Path) -> None:
        self.machine, self._checkout = machine, checkout
        self.done: list[str] = []

    def start(
        self, script: str, *arguments: str, found: int = 2
    ) -> subprocess.CompletedProcess[str]:
        log = self.machine.path("/done")
        log.write_text("")
        command = f"{self._checkout}/deploy/cloudformation/{script}"
        env = {"CHECKOUT": str(self._checkout), "SECRET": PASSWORD, "FOUND": str(found)}
        outcome = self.machine.run(command, *arguments, env=env, timeout=60)
        self.done = log.read_text().splitlines()
        return outcome

    def when(self, begins: str) -> int:
        """The place of the only line of ``done`` that begins so."""
        [place] = [place for place, line in enumerate(self.done) if line.startswith(begins)]
        return place


@pytest.fixture(scope="module")
def started(run: Run) -> Iterator[Started]:
    machine = Machine(run)
    try:
        checkout = run.folder / "template"
        shutil.copytree(FOLDER, checkout / "deploy/cloudformation")
        for name in ("firewall", "dockbox-firewall.service"):
            shutil.copy(ROOT / "deploy" / name, checkout / "deploy")
        subprocess.run([FOLDER / "certificates", checkout, "engine.example"], check=True)
        (checkout / "setup_ec2.sh").write_text(SETUP)
        (checkout / "setup_ec2.sh").chmod(0o755)
        for name, does in PROGRAMS.items():
            path = machine.path(f"/usr/local/sbin/{name}")
            path.write_text(f'#!/bin/bash\necho {name} "$*" >>/done\n{does}\n')
            path.chmod(0o755)
        disk = (
            f"mount -t tmpfs tmpfs /dev && mkdir -p {Path(VOLUME).parent} && mknod {VOLUME} b 7 250"
        )
        disk += " && mknod -m 666 /dev/null c 1 3 && ln -s /proc/self/fd /dev/fd"
        disk = disk.replace("mount", shutil.which("mount") or "mount", 1)
        assert machine.run("sh", "-c", disk).returncode == 0
        yield Started(machine, checkout)
    finally:
        machine.close()


def test_a_server_is_set_up_with_settings_that_dockbox_takes(
    started: Started, tmp_path: Path
) -> None:
    outcome = started.start(
        "server", "engine.example", "files.example", "db.example", "word", "servers"
    )
    assert outcome.returncode == 0, outcome.stderr
    options = shlex.split(started.done[started.when("setup ")])[1:]
    assert options == ["--uid", "10001", "--storage", "127.0.0.1:/", "--settings", "-"]
    path = started.machine.path
    told = dotenv_values(path("/settings"))
    assert told["DATABASE_PASSWORD"] == PASSWORD
    assert PASSWORD not in outcome.stdout + outcome.stderr + "".join(started.done)
    kept = path(str(told["DOCKER_CERT_PATH"]))
    for file in kept.iterdir():
        mode = file.stat()
        assert (mode.st_mode & 0o777, mode.st_uid, mode.st_gid) == (0o640, 0, 10001)
    folder = shutil.copytree(kept, tmp_path / "certificates")  # where dockbox sees it, too
    given = {name: value or "" for name, value in told.items()} | {"DOCKER_CERT_PATH": str(folder)}
    defaults = {"ENVIRONMENT": "production", "PORT": "8000", "DATABASE_NAME": "dockbox",
                "DATABASE_PORT": "5432", "DATABASE_USER": "dockbox"}  # fmt: skip
    config = Config.from_env({**defaults, **given})
    assert {name.lower() for name in told} <= set(vars(config)), "a setting that dockbox has not"
    assert (config.docker_server_host, config.database_host) == (
        "tcp://engine.example:2376", "db.example"
    )  # fmt: skip
    assert (config.docker_tls_verify, config.proxies, config.auth) == (True, 1, "token")


def test_files_go_through_tls_whose_other_end_is_checked(started: Started) -> None:
    assert started.start("server", "e", "files.example", "d", "word", "servers").returncode == 0
    tunnel = started.machine.path("/etc/dockbox-efs.conf").read_text()
    for line in ("connect = files.example:2049", "checkHost = files.example", "verifyChain = yes"):
        assert f"{line}\n" in tunnel
    assert started.when("systemctl -q enable --now dockbox-efs") < started.when("setup ")
    if started.machine.run("systemd-analyze", "--version").returncode == 0:
        unit = "/etc/systemd/system/dockbox-efs.service"
        done = started.machine.run("systemd-analyze", "verify", "--man=no", unit)
        complaints = [
            line for line in done.stderr.splitlines() if "stunnel4 is not exec" not in line
        ]
        assert complaints == []


@pytest.fixture
def engine(started: Started) -> Started:
    done = started.start("engine", "e.example", "Z1", "files.example", "vol-0123", "engine")
    assert done.returncode == 0, done.stderr
    return started


def test_the_engine_has_its_disks_and_its_firewall_before_docker_starts(engine: Started) -> None:
    steps = [
        "aws ec2 wait volume-available", "aws ec2 attach-volume", "mount /srv/engine",
        "mount /var/lib/docker", "mount /var/lib/containerd",
        "mount /srv/dockbox", "systemctl -q enable --now dockbox-firewall",
    ]  # fmt: skip
    [install] = [place for place, line in enumerate(engine.done) if line.endswith("docker.io")]
    announced = engine.when("aws route53 change-resource-record-sets --hosted-zone-id Z1")
    places = [*map(engine.when, steps), install, announced]
    assert places == sorted(places)
    change = json.loads(engine.done[announced].split("--change-batch ")[1])
    assert change["Changes"][0]["ResourceRecordSet"]["ResourceRecords"] == [{"Value": "10.0.16.5"}]
    firewall = engine.machine.path("/usr/local/sbin/dockbox-firewall")
    assert firewall.read_bytes() == (ROOT / "deploy/firewall").read_bytes()


def test_docker_listens_for_those_with_a_certificate_alone(engine: Started) -> None:
    path = engine.machine.path
    daemon = json.loads(path("/etc/docker/daemon.json").read_text())
    assert daemon["tlsverify"] is True
    assert all(path(daemon[name]).is_file() for name in ("tlscacert", "tlscert", "tlskey"))
    unit = path("/etc/systemd/system/docker.service.d/dockbox.conf").read_text()
    assert "RequiresMountsFor=/var/lib/docker /srv/dockbox\n" in unit
    assert "2375" not in unit


@pytest.mark.parametrize(("found", "formatted"), [(2, True), (0, False), (4, False)])
def test_a_volume_is_formatted_only_if_nothing_is_on_it(
    started: Started, found: int, formatted: bool
) -> None:
    done = started.start("engine", "e", "Z1", "files", "vol-0123", "engine", found=found)
    assert (f"mkfs.ext4 -q {VOLUME}" in started.done) is formatted
    assert (done.returncode == 0) is (found != 4), "4: it could not be read"
