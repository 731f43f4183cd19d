"""One run of the tests: its folder, and the promise that nothing of it is left behind.

Everything that a run starts has the folder's name in its environment.  So all of it can be found
and ended, by the run itself or, if that was killed, by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .processes import SEARCH, descendants, kill, program, with_environment

ROOT = Path(__file__).resolve().parents[2]  # of the checkout
BASE = Path("/tmp")  # short, since a Unix socket's path has at most 107 bytes
PREFIX = "dbx-"
MARK = "DOCKBOX_TEST_RUN"


class Run:
    """``folder`` is gone, with all that was started, after ``close``."""

    def __init__(self) -> None:
        with _one_at_a_time():
            _sweep()
            self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=BASE))
            self._lock = open(self.folder / "lock", "w")  # noqa: SIM115 - held as long as we live
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.folder.chmod(0o755)  # PostgreSQL runs as another user
        (self.folder / "home").mkdir()
        self._networks: dict[str, str] = {}  # by the engine's URL

    def environment(self, **more: str) -> dict[str, str]:
        """For whatever is started: nothing of the developer's own settings, and the mark."""
        fixed = {"PATH": SEARCH, "HOME": str(self.folder / "home"), "LANG": "C.UTF-8"}
        return {**fixed, MARK: str(self.folder), **more}

    def bridge(self) -> str:
        """A name for a network device, unused; devices with such names end with the run."""
        taken = os.listdir("/sys/class/net")
        return next(n for i in range(100) if (n := f"{self.folder.name}{i}") not in taken)

    def forward(self, bridge: str) -> None:
        """Let a device whose name is of this run pass packets, whatever policy Docker has set."""
        rule = ["-I", "FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT"]
        subprocess.run([program("iptables", "iptables"), "-w", *rule], check=True)

    def network(self, engine: str) -> str:
        """The name of the containers' network at this engine: that of its device, as above."""
        return self._networks.setdefault(engine, f"{self.folder.name}n{len(self._networks)}")

    def close(self) -> None:
        _end(self.folder)
        self._lock.close()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    # Between the making of a folder and its lock, another run would take it for a dead one's.
    with open(BASE / f"{PREFIX}lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sweep() -> None:
    """End what killed runs have left."""
    for folder in BASE.glob(f"{PREFIX}*/"):
        with contextlib.suppress(OSError), open(folder / "lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held by a run that lives
            _end(folder)


def _end(folder: Path) -> None:
    # The processes in containers have an environment of their own, but are below a marked shim.
    kill(descendants(with_environment(f"{MARK}={folder}")))
    for _ in range(3):  # mounts may be stacked
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in sorted(mounts, reverse=True):
            if mount.startswith(f"{folder}/"):
                subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
    _unforward(folder.name)
    for device in os.listdir("/sys/class/net"):
        if device.startswith(folder.name):
            subprocess.run(["ip", "link", "delete", device], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


def _unforward(name: str) -> None:
    """Remove the rules for devices of the run ``name``."""
    if iptables := shutil.which("iptables", path=SEARCH):
        command = [iptables, "-w", "-S", "FORWARD"]
        listed = subprocess.run(command, check=False, capture_output=True, text=True).stdout
        for rule in listed.splitlines():
            if f" {name}" in rule:
                subprocess.run([iptables, "-w", "-D", *rule.split()[1:]], check=False)
