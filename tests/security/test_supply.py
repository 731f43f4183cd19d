"""What is installed is what was pinned, file by file."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from ..support.run import ROOT

LISTS = ("requirements", "requirements-dev", "requirements-bench", "requirements-tools")
PIN = re.compile(r"([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==([^\s;]+)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """Version by name."""
    found = (PIN.match(line) for line in text.splitlines())
    return {canonical(match[1]): match[2] for match in found if match}


def locked(name: str) -> list[str]:
    """Each requirement of a compiled list, with the hashes that follow."""
    text = (ROOT / f"{name}.txt").read_text().replace("\\\n", "")
    return [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]


@pytest.mark.parametrize("name", LISTS)
def test_every_requirement_is_one_version_with_hashes(name: str) -> None:
    lines = locked(name)
    assert len(lines) >= len(pins((ROOT / f"{name}.in").read_text()))
    bad = [line for line in lines if not PIN.match(line) or not HASH.search(line)]
    assert bad == [], f"not pinned in {name}.txt; `make lock` mends that"


@pytest.mark.parametrize("name", LISTS)
def test_what_is_asked_for_is_what_is_pinned(name: str) -> None:
    asked = pins((ROOT / f"{name}.in").read_text())
    pinned = pins("\n".join(locked(name)))
    assert asked and asked == {key: pinned.get(key) for key in asked}, "run `make lock`"


def test_the_lists_agree_on_every_version() -> None:
    runs, tests, measures = (pins("\n".join(locked(name))) for name in LISTS[:3])
    assert runs.items() <= tests.items() <= measures.items(), "run `make lock`"


@pytest.mark.parametrize("name", LISTS)
def test_no_list_names_a_host_or_a_folder(name: str) -> None:
    for file in (f"{name}.in", f"{name}.txt"):
        assert not re.search(r"://|^--|@ |\s/\w", (ROOT / file).read_text(), re.MULTILINE), file


def wheel(folder: Path) -> Path:
    """A package of nothing, as an index would have it."""
    file = folder / "nothing-1.0-py3-none-any.whl"
    about = "nothing-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("nothing.py", "")
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: nothing\nVersion: 1.0\n"
        )
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return file


def test_a_package_of_other_content_or_without_a_hash_is_not_installed(tmp_path: Path) -> None:
    digest = hashlib.sha256(wheel(tmp_path).read_bytes()).hexdigest()
    wanted = tmp_path / "wanted.txt"

    def install(line: str) -> int:
        wanted.write_text(line)
        command = [ROOT / "scripts/venv", wanted, tmp_path / "venv"]
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PIP_")},
            "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path),
        }  # fmt: skip
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
        return done.returncode

    assert install("nothing==1.0") != 0
    assert install(f"nothing==1.0 --hash=sha256:{'0' * 64}") != 0
    assert install(f"nothing==1.0 --hash=sha256:{digest}") == 0


@pytest.mark.parametrize(
    ("tool", "status", "said"),
    [
        ("exit 0", 0, "No weakness is known of what is pinned."),
        ("echo 'flask 1.0 PYSEC-1'; exit 1", 1, "flask 1.0 PYSEC-1"),
        ("case $* in *--strict*) echo 'Trace' >&2; echo 'cannot resolve' >&2; exit 1; esac", 2,
         "make audit: not audited, no answer from the advisory database: cannot resolve"),
    ],
)  # fmt: skip
def test_an_audit_that_asked_nobody_does_not_say_that_all_is_well(
    tmp_path: Path, tool: str, status: int, said: str
) -> None:
    """With a stand-in for pip-audit, which needs the advisory database."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/audit", tmp_path / "scripts")
    fake = tmp_path / ".venv/tools/bin/pip-audit"
    fake.parent.mkdir(parents=True)
    fake.write_text(f"#!/bin/sh\n{tool}\n")
    fake.chmod(0o755)
    done = subprocess.run([tmp_path / "scripts/audit"], capture_output=True, text=True, timeout=20)
    assert (done.returncode, (done.stdout + done.stderr).strip()) == (status, said)
