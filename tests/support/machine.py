"""A machine to install on: a root file system of its own, over one that stays as it is."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .processes import children, kill, launch, need_root, program
from .run import Run
from .waiting import eventually

# In a mount and a PID namespace: what is mounted and what runs here ends with the first process.
PREPARE = """
set -e
mount -t tmpfs -o mode=755 tmpfs "$FOLDER"
mkdir "$FOLDER/upper" "$FOLDER/work" "$FOLDER/root"
cd "$FOLDER"
mount -t overlay -o "lowerdir=$LOWER,upperdir=upper,workdir=work" overlay root
mount -t proc proc "$FOLDER/root/proc"
mount --rbind /dev "$FOLDER/root/dev"
cp "$CERTIFICATES" "root$CERTIFICATES" 2>/dev/null || true # what this machine trusts
mkdir -p "$FOLDER/root$SHARED"
mount --bind "$SHARED" "$FOLDER/root$SHARED"
mkdir -p "$FOLDER/root$WRITTEN"
mount --bind "$FOLDER/upper" "$FOLDER/root$WRITTEN"
exec chroot "$FOLDER/root" sleep infinity
"""
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
WRITTEN = "/run/written"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# how programs reach the archives of packages from here
PASSED = ("PIP_", "NPM_CONFIG_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class Machine:
    """Debian as it is below ``lower``; all that is written is forgotten in the end.

    ``run.folder`` is there too, with the sockets of the tests' engine.  systemd does not run.
    """

    def __init__(self, run: Run, lower: Path = Path("/")) -> None:
        need_root("a machine to install on")
        folder = Path(tempfile.mkdtemp(prefix="machine-", dir=run.folder))
        environment = run.environment(
            FOLDER=str(folder),
            LOWER=str(lower),
            SHARED=str(run.folder),
            WRITTEN=WRITTEN,
            CERTIFICATES=CERTIFICATES,
        )
        command = [program("unshare", "util-linux"), "--mount", "--pid", "--fork", "--kill-child"]
        log = folder.with_suffix(".log")
        self._process = launch([*command, "sh", "-c", PREPARE], log, environment)

        def first() -> int | None:
            if self._process.poll() is not None:
                raise RuntimeError(f"there is no machine:\n{log.read_text()}")
            return next(iter(children(self._process.pid)), None)

        self._pid = eventually(first)
        # through /proc, since only its namespace has these mounts
        self._outside = Path(f"/proc/{self._pid}/root")
        eventually(lambda: (self._outside / "proc/1/comm").exists() and self._is_sleeping())

    def _is_sleeping(self) -> bool:
        return Path(f"/proc/{self._pid}/comm").read_text() == "sleep\n"

    def path(self, inside: str) -> Path:
        """Where a file of the machine is for the tests."""
        return self._outside / inside.lstrip("/")

    def command(self, *command: str) -> list[str]:
        """What runs ``command`` on the machine."""
        return ["nsenter", f"--target={self._pid}", "--mount", "--pid", "--root", "--wd", *command]

    def environment(self, **more: str) -> dict[str, str]:
        passed = {n: v for n, v in os.environ.items() if n.upper().startswith(PASSED)}
        passed["SSL_CERT_FILE"] = CERTIFICATES
        return {**passed, "PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", **more}

    def run(
        self,
        *command: str,
        input: str = "",
        env: Mapping[str, str] | None = None,
        timeout: float = 900,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*command), input=input, env=self.environment(**(env or {})),
            capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip

    def written(self) -> dict[str, tuple[int, ...]]:
        """All that differs from the beginning, with when and how, but temporary files."""
        top, found = self.path(WRITTEN), {}
        for folder, folders, files in os.walk(top):
            at = Path(folder)
            if at == top:
                folders[:] = [name for name in folders if name not in ("run", "tmp")]
            for name in [*folders, *files]:
                entry = (at / name).lstat()
                found[str((at / name).relative_to(top))] = (
                    entry.st_ctime_ns, entry.st_mode, entry.st_uid, entry.st_gid, entry.st_size
                )  # fmt: skip
        return found

    def close(self) -> None:
        kill([self._pid])
        self._process.wait(10)
