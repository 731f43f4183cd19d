"""``flask dockbox doctor`` on the host of a ``Lab``, whose settings are as they should be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .lab import Lab
from .run import ROOT, Run

# One process for many commands, each with an application of its settings: most of a command's time
# is the import of what it may need.
MANY = """
import json, sys
from wsgi import app
from dockbox import create_app
from dockbox.config import Config
from dockbox.database import db
for line in sys.stdin:
    options, settings = json.loads(line)
    app = create_app(Config.from_env(settings))
    done = app.test_cli_runner().invoke(args=["dockbox", "doctor", *options])
    with app.app_context():
        db.engine.dispose()
    print(json.dumps([done.exit_code, done.stdout]), flush=True)
"""


class Doctor:
    """The command; it has a mount namespace, so that it may see other files than the engine."""

    def __init__(self, lab: Lab, run: Run, settings: Mapping[str, str]) -> None:
        self.settings = dict(settings)
        self._log = open(run.folder / "doctor.log", "w")  # noqa: SIM115 - as long as the process
        self._process = subprocess.Popen(
            lab.host.inside("unshare", "--mount", sys.executable, "-c", MANY), cwd=ROOT,
            env=run.environment(**self.settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._log, text=True,
        )  # fmt: skip

    def run(self, *options: str, fails: bool = False, **settings: str) -> str:
        """What it prints; ``settings`` differ from what they should be."""
        mine = self.settings | {name.upper(): value for name, value in settings.items()}
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([options, mine]) + "\n")
        self._process.stdin.flush()
        code, said = json.loads(self._process.stdout.readline())
        assert (code != 0) == fails, (code, said)
        return str(said)

    def findings(self, fails: bool = False, **settings: str) -> list[dict[str, Any]]:
        """What it finds, each with ``state``, ``what`` and ``todo``."""
        said: list[dict[str, Any]] = json.loads(self.run("--json", fails=fails, **settings))
        assert said
        return said

    def finds(self, state: str, words: str, **settings: str) -> bool:
        """Whether it says this in one of its lines."""
        found = self.findings(fails=state == "FAILS", **settings)
        return any(one["state"] == state and words in one["what"] for one in found)

    @contextmanager
    def mounted(self, point: Path) -> Iterator[None]:
        """A file system at ``point`` that only the doctor sees."""
        inside = ["nsenter", f"--mount=/proc/{self._process.pid}/ns/mnt"]
        subprocess.run([*inside, "mount", "-t", "tmpfs", "none", str(point)], check=True)
        try:
            yield
        finally:
            subprocess.run([*inside, "umount", str(point)], check=True)

    def close(self) -> None:
        with self._process as process:
            assert process.stdin
            process.stdin.close()
        self._log.close()


@contextmanager
def small_disk(point: Path, size: str) -> Iterator[None]:
    """A file system of ``size``, such as ``16m``, at ``point``."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(point)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(point)], check=True)


@contextmanager
def filled(point: Path, free: int) -> Iterator[None]:
    """So many bytes at the most are left at ``point``."""
    found = os.statvfs(point)
    file = point / "filling"
    with open(file, "wb") as out:
        os.posix_fallocate(out.fileno(), 0, found.f_bavail * found.f_frsize - free)
    try:
        yield
    finally:
        file.unlink()
