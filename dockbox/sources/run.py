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
from collections import deque
from pathlib import Path
from typing import IO

from ..errors import FetchFailed, SourceTooLarge, StorageFailed
from .base import Deadline, Limits, Progress, Report
from .files import measure
from .hub import offload, shielded

# git's own steps alone: in a line of the other side, too, there may be anything
PERCENT = re.compile(
    "(?:remote: )?((?:Enumerating|Counting|Compressing|Receiving|Unpacking) objects"
    "|Resolving deltas|Updating files): +([0-9]{1,3})%"
    "(?:.*?, ([0-9]{1,9}(?:[.][0-9]+)?) ([KMG]?i?)B)?"
)
UNITS = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
MOST_OUTPUT = 64 * 2**20
MOST_LINES = 2**20
LINE = 4096
# a small pack may unpack to anything: a bound for the memory of git and its helpers, in KiB
LIMITED = "ulimit -d 2097152"
# git and its helpers would outlive a worker that is killed, and nobody would bound them: they end
# when the pipe from the worker does.
WATCHED = "exec 3<&0 </dev/null && { (read _ <&3; kill -KILL 0) & } && exec 3<&-"
DISK = re.compile(
    "No space left on device|Disk quota exceeded|Read-only file system|Input/output error"
    "|(?:file write|sha1 file .*write) error"
)
# complaints of fsck about old, harmless commits; everything else is refused
HARMLESS = ("zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate", "badDateOverflow")
SETTINGS = {
    "core.hooksPath": "/dev/null", "core.symlinks": "true", "core.fsmonitor": "false",
    "credential.helper": "", "gc.auto": "0", "maintenance.auto": "false",
    "http.followRedirects": "false", "http.lowSpeedLimit": "1", "http.lowSpeedTime": "60",
    "protocol.allow": "never", "fetch.fsckObjects": "true", "submodule.recurse": "false",
    "init.defaultBranch": "main", "advice.detachedHead": "false", "fetch.unpackLimit": "1",
    "transfer.bundleURI": "false", "core.bigFileThreshold": "64m",
    **{f"fetch.fsck.{name}": "ignore" for name in HARMLESS},
}  # fmt: skip


def environment(settings: dict[str, str], protocol: str, cafile: str | None) -> dict[str, str]:
    """git's whole environment; settings, maybe secret, go here since ps shows arguments to all."""
    env = {
        "PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false", "SSH_ASKPASS": "/bin/false", "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_ALLOW_PROTOCOL": protocol, "GIT_ATTR_NOSYSTEM": "1",
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

    def run(self, *commands: list[str], most: int = MOST_LINES) -> str:
        """Standard output of git's ``commands``, one after the other until one fails.

        Raises ``Failed`` with the errors, ``SourceTooLarge`` for more than ``most`` lines.
        """
        # one shell for all, since starting a process from a large one is what takes the time
        script = " && ".join(
            [WATCHED, "ulimit -c 0", LIMITED, *(shlex.join(["git", *c]) for c in commands)]
        )
        code, out, errors = self._run(["/bin/sh", "-c", script], most)
        if code:
            if DISK.search(errors) and "remote error" not in errors:
                raise StorageFailed()
            raise Failed(errors)
        return out

    def _run(self, command: list[str], most: int) -> tuple[int, str, str]:
        process = self._start(command)
        out, errors = Reader(process.stdout, most), Reader(process.stderr, 0)
        try:
            code = self._watch(process, out, errors)
        finally:
            shielded(lambda: _end(process, out, errors))
        out.check()
        if code == 127:
            raise FetchFailed("git is not installed on this server.")
        return code, "".join(out.lines), "".join(errors.lines)

    def _start(self, command: list[str]) -> subprocess.Popen[str]:
        """A new process, which a kill of this greenlet cannot leave behind half started."""
        started: list[subprocess.Popen[str]] = []

        def start() -> None:
            process = subprocess.Popen(
                command, cwd=self.tree, env=self.env, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                errors="replace", start_new_session=True,
            )  # fmt: skip
            started.append(process)

        try:
            shielded(start)
        except BaseException:
            for process in started:
                _kill(process)
                process.wait()
            raise
        return started[0]

    def _watch(self, process: subprocess.Popen[str], out: Reader, errors: Reader) -> int:
        shown: Progress | None = None
        look = time.monotonic() + 0.5
        while True:
            try:
                return process.wait(min(0.1, self.deadline.left()))
            except subprocess.TimeoutExpired:
                pass
            if errors.progress and errors.progress != shown:
                shown = errors.progress
                self.progress(shown)
            out.check()
            began = time.monotonic()
            if began > look:
                self.limits.check(
                    *offload(lambda: measure(self.tree, self.deadline), self.deadline)
                )
                now = time.monotonic()
                look = now + max(0.5, 4 * (now - began))  # a large tree is looked at less often


class Failed(Exception):
    """git ended with an error; the argument is what it wrote."""


def _kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # helpers too, such as git-remote-https


def _end(process: subprocess.Popen[str], *readers: Reader) -> None:
    """Kill what is left, and wait until nobody of it can write any more."""
    _kill(process)
    process.wait()
    if process.stdin:
        process.stdin.close()
    for reader in readers:  # ends when the last of all those processes has closed the pipe
        reader.thread.join(5)


class Reader:
    """Collects a pipe's lines, the first ``most`` or else the last few, and git's progress."""

    def __init__(self, pipe: IO[str] | None, most: int) -> None:
        self.pipe, self.most, self.size, self.count = pipe, most, 0, 0
        self.lines: deque[str] = deque(maxlen=most or 200)
        self.progress: Progress | None = None
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def check(self) -> None:
        if self.most and (self.size > MOST_OUTPUT or self.count > self.most):
            raise SourceTooLarge("The repository has too many refs or files.")

    def _read(self) -> None:
        assert self.pipe
        foreign, whole = False, True
        with self.pipe:
            while line := self.pipe.readline(LINE):
                self.size, self.count = self.size + len(line), self.count + 1
                # the other side may say anything, also in what is left of a long line
                foreign = line.startswith("remote: ") if whole else foreign
                whole = line.endswith("\n")
                if self.most:
                    if self.size <= MOST_OUTPUT:
                        self.lines.append(line)
                elif match := PERCENT.match(line):
                    size = int(float(match[3]) * UNITS.get(match[4], 1)) if match[3] else None
                    self.progress = Progress(match[1], int(match[2]), size)
                elif not foreign:
                    self.lines.append(line)
