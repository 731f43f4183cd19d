"""The page's packages: only what the lock means gets to browsers."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.run import ROOT, Run
from ..support.site import Site
from ..support.world import tgz

GOOD = tgz({
    "package/lib/addon.mjs": "export const addon = 1;\n//# sourceMappingURL=addon.mjs.map\n",
    "package/lib/addon.mjs.map": "{}", "package/LICENSE": "MIT", "package/install.sh": "exit 1",
    "package/../../lib/evil.mjs": "", "/lib/evil.mjs": "",
})  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path, site: Site) -> Path:
    """A folder with the script, and a lock that has one package; the site is its registry."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "web").mkdir()
    shutil.copy(ROOT / "scripts" / "assets", tmp_path / "scripts")
    digest = base64.b64encode(hashlib.sha512(GOOD).digest()).decode()
    entry = {"version": "1.0.0", "integrity": f"sha512-{digest}"}
    lock = {"packages": {"": {}, "node_modules/@some/addon": entry}}
    (tmp_path / "web" / "package-lock.json").write_text(json.dumps(lock))
    site.files["/@some/addon/-/addon-1.0.0.tgz"] = GOOD
    return tmp_path


def fetch(checkout: Path, run: Run, site: Site) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/assets"], cwd=checkout, capture_output=True, text=True,
        env=run.environment(NPM_CONFIG_REGISTRY=site.url), timeout=60,
    )  # fmt: skip


def served(checkout: Path) -> dict[str, bytes]:
    vendor = checkout / "dockbox" / "static" / "vendor"
    return {one.name: one.read_bytes() for one in vendor.glob("[!.]*")}


def test_the_wanted_files_of_a_package_are_served(checkout: Path, run: Run, site: Site) -> None:
    assert fetch(checkout, run, site).returncode == 0
    assert served(checkout) == {
        "addon.mjs": b"export const addon = 1;\n", "addon.LICENSE": b"MIT", "evil.mjs": b"",
    }  # fmt: skip  # by its name alone, wherever the archive wants it
    files = {one.relative_to(checkout).parts[0] for one in checkout.rglob("*")}
    assert files <= {"scripts", "web", "dockbox", "site"}
    asked = len(site.requests)
    assert fetch(checkout, run, site).returncode == 0
    assert len(site.requests) == asked  # it is up to date


def test_another_package_than_the_locks_is_refused(checkout: Path, run: Run, site: Site) -> None:
    assert fetch(checkout, run, site).returncode == 0
    before = served(checkout)
    lock = checkout / "web" / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")  # so that it is fetched anew
    site.files["/@some/addon/-/addon-1.0.0.tgz"] = tgz({"package/lib/addon.mjs": "evil()"})
    done = fetch(checkout, run, site)
    assert done.returncode == 1
    assert "is not what web/package-lock.json says" in done.stderr
    assert served(checkout) == before


def test_the_lock_has_a_hash_of_every_package_and_no_registrys_address() -> None:
    text = (ROOT / "web" / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert len(packages) > 5
    assert all(one["integrity"].startswith("sha512-") for name, one in packages.items() if name)
    assert "resolved" not in text
