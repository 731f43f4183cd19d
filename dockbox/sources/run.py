"""Running git: an environment from scratch, a deadline, a bound on the disk, and no leftovers."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

from ..errors import FetchFailed, SourceTooLarge, StorageFailed
from .base import Deadline, Limits, Progress, Report
from .files import measure, offload

PERCENT = re.compile(r"(?:remote: )?([A-Z][a-z]+ [a-z]+):\s+(\d+)%(?:.*?, ([\d.]+) ([KMG]?i?)B)?")
UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
MOST_OUTPUT = 64 * 2**20
# complaints of fsck about old, harmless commits; everything else is refused
HARMLESS = ("zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate", "badDateOverflow")
SETTINGS = {
    "core.hooksPath": "/dev/null", "core.symlinks": "true", "core.fsmonitor": "false",
    "credential.helper": "", "gc.auto": "0", "maintenance.auto": "false",
    "http.followRedirects": "false", "http.lowSpeedLimit": "1", "http.lowSpeedTime": "60",
    "protocol.allow": "never", "fetch.fsckObjects": "true", "submodule.recurse": "false",
    "init.defaultBranch": "main", "advice.detachedHead": "false", "fetch.unpackLimit": "1",
    "transfer.bundleURI": "false", **{f"fetch.fsck.{name}": "ignore" for name in HARMLESS},
}  # fmt: skip


def environment(settings: dict[str, str], protocol: str, cafile: str | None) -> dict[str, str]:
    """git's whole environment; settings, maybe secret, go here since ps shows arguments to all."""
    env = {
        "PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false", "SSH_ASKPASS": "/bin/false", "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_ALLOW_PROTOCOL": protocol,
    }  # fmt: skip
    if cafile:
        env["GIT_SSL_CAINFO"] = cafile
    for number, (name, value) in enumerate({**SETTINGS, **settings}.items()):
        env[f"GIT_CONFIG_KEY_{number}"], env[f"GIT_CONFIG_VALUE_{number}"] = name, value
        env["GIT_CONFIG_COUNT"] = str(number + 1)
    return env


def ssh_command(key: str, address: str, host: str) -> str:
    """ssh with one key, connecting to the checked address, asking nothing."""
    options = [
        "BatchMode=yes", "StrictHostKeyChecking=accept-new",
        f"UserKnownHostsFile={key}.known_hosts", "IdentitiesOnly=yes", "ForwardAgent=no",
        "ConnectTimeout=15", f"HostName={address}", f"HostKeyAlias={host}",
    ]  # fmt: skip
    words = ["ssh", "-F", "/dev/null", "-i", key]
    return shlex.join(words + [word for option in options for word in ("-o", option)])


class Git:
    """git in ``tree`` with one environment.  Every method raises what ``fetch`` may raise."""

    def __init__(
        self, tree: Path, env: dict[str, str], limits: Limits, progress: Report, deadline: Deadline
    ) -> None:
        self.tree, self.env, self.limits = tree, env, limits
        self.progress, self.deadline = progress, deadline

    def run(self, *args: str) -> str:
        """Standard output of ``git args``; raises ``Failed`` with its errors."""
        code, out, errors = self._run(["git", *args])
        if code:
            if "No space left on device" in errors or "Disk quota exceeded" in errors:
                raise StorageFailed()
            raise Failed(errors)
        return out

    def _run(self, command: list[str]) -> tuple[int, str, str]:
        try:
            process = subprocess.Popen(
                command, cwd=self.tree, env=self.env, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                start_new_session=True,
            )  # fmt: skip
        except FileNotFoundError:
            raise FetchFailed("git is not installed on this server.") from None
        out, errors = Reader(process.stdout), Reader(process.stderr)
        try:
            code = self._watch(process, out, errors)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # helpers too, such as git-remote-https
            process.wait()
        for reader in (out, errors):
            reader.thread.join(5)
        return code, "".join(out.lines), "".join(errors.lines[-200:])

    def _watch(self, process: subprocess.Popen[str], out: Reader, errors: Reader) -> int:
        shown: Progress | None = None
        looked = time.monotonic()
        while True:
            try:
                return process.wait(min(0.1, self.deadline.left()))
            except subprocess.TimeoutExpired:
                pass
            if errors.progress and errors.progress != shown:
                shown = errors.progress
                self.progress(shown)
            if max(out.size, errors.size) > MOST_OUTPUT:
                raise SourceTooLarge("The repository has too many refs.")
            if time.monotonic() - looked > 0.5:
                self.limits.check(*offload(lambda: measure(self.tree), self.deadline))
                looked = time.monotonic()


class Failed(Exception):
    """git ended with an error; the argument is what it wrote."""


class Reader:
    """Collects a pipe's lines, up to ``MOST_OUTPUT``, and the progress that they tell."""

    def __init__(self, pipe: IO[str] | None) -> None:
        self.pipe, self.size, self.lines = pipe, 0, list[str]()
        self.progress: Progress | None = None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        assert self.pipe
        with self.pipe:
            while line := self.pipe.readline(65536):
                self.size += len(line)
                match = PERCENT.match(line)
                if match:
                    size = int(float(match[3]) * UNITS.get(match[4], 1)) if match[3] else None
                    self.progress = Progress(match[1], int(match[2]), size)
                elif self.size <= MOST_OUTPUT:
                    self.lines.append(line)
