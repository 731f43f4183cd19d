"""Parts of setup_ec2.sh alone, in bash: what a machine without systemd or an NFS cannot show."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ..support.run import ROOT

BEGIN = """
set -euo pipefail
fail() { echo "failed: $*"; exit 1; }
note() { echo "note: $*"; }
change() { echo "$1"; "${@:2}"; }
booted() { true; }
"""
SYSTEMCTL = '#!/bin/sh\necho "$@"\n'


def bash(part: str, script: str, folder: Path) -> list[str]:
    """What ``script`` prints, with the functions of ``part`` and systemctl only said."""
    (folder / "systemctl").write_text(SYSTEMCTL)
    (folder / "systemctl").chmod(0o755)
    whole = f"{BEGIN}\n. {ROOT}/deploy/setup/{part}.sh\n{script}"
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", whole], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("ref", "subject"),
    [
        ("main", "main"), ("HEAD", "main"), ("v1", "tagged"), ("heads/main", "main"),
        ("refs/heads/main", "main"), ("user/main", "user"),
    ],
)  # fmt: skip
def test_a_name_means_itself_and_not_another_that_ends_like_it(
    tmp_path: Path, ref: str, subject: str
) -> None:
    git = "git -c user.name=t -c user.email=t@example.org"
    script = f"""
    git init -q -b main there && cd there
    {git} commit -q --allow-empty -m tagged && {git} tag -a -m one v1
    git checkout -q -b user/main && {git} commit -q --allow-empty -m user
    git checkout -q main && {git} commit -q --allow-empty -m main
    git update-ref refs/remotes/origin/HEAD user/main
    ref={ref}
    git log -1 --format=%s "$(git ls-remote . "$ref" "$ref^{{}}" | named)"
    """
    assert bash("code", script, tmp_path) == [subject]


def test_docker_does_not_require_the_firewall_any_more_when_that_is_stopped(
    tmp_path: Path,
) -> None:
    said = bash("service", f"UNITS={tmp_path}; remove_unit dockbox-firewall.service", tmp_path)
    unit = "dockbox-firewall.service"
    assert said == [f"--root=/ -q disable {unit}", "daemon-reload", f"stop {unit}"]


@pytest.mark.parametrize(("kind", "stays"), [("nfs", True), ("ext2/ext3", False)])
def test_what_other_servers_may_use_is_not_purged(tmp_path: Path, kind: str, stays: bool) -> None:
    (tmp_path / "efs/boxes").mkdir(parents=True)  # not a mount itself, but in one
    script = f"""
    stat() {{ echo {kind}; }}
    getent() {{ false; }}
    STATE={tmp_path}/state SETTINGS={tmp_path}/settings mount={tmp_path}/efs/boxes
    purge_data
    """
    said = bash("service", script, tmp_path)
    assert (tmp_path / "efs/boxes").exists() == stays
    assert ("which other servers may use: it stays" in said[0]) == stays


def collected(folder: Path, settings: str) -> list[str]:
    """What is said of these settings of a first run."""
    (folder / "given").write_text(settings)
    script = f"""
    declare -A settings=()
    SETTINGS={folder}/none given={folder}/given
    collect_settings
    echo fine
    """
    return bash("settings", f"({script}) || true", folder)


@pytest.mark.parametrize("mount", ["/", "/home", "/etc/", "/var/lib", "/srv/..", "/./srv", "//usr"])
def test_a_folder_of_the_system_does_not_become_dockboxs_own(tmp_path: Path, mount: str) -> None:
    [said] = collected(tmp_path, f"DATABASE_HOST=\nMOUNT_POINT={mount}\n")
    assert said.startswith("failed: MOUNT_POINT is a")


@pytest.mark.parametrize("mount", ["/srv/dockbox", "/data", "/mnt/efs/boxes/", "/homes", "/a..b"])
def test_a_folder_of_its_own_may_be_anywhere(tmp_path: Path, mount: str) -> None:
    assert collected(tmp_path, f"DATABASE_HOST=\nMOUNT_POINT={mount}\n") == ["fine"]


@pytest.mark.parametrize("value", ["a\\\\b", "a'b", 'a"b', "a #b"])
def test_a_value_that_not_all_read_alike_needs_quotes(tmp_path: Path, value: str) -> None:
    [said] = collected(tmp_path, f"DATABASE_HOST=h\nDATABASE_PASSWORD={value}\n")
    assert said.startswith("failed: DATABASE_PASSWORD needs quotes") and value not in said
    plain = "a#b=$c *"
    assert collected(tmp_path, f"DATABASE_HOST=h\nDATABASE_PASSWORD={plain}\n") == ["fine"]
