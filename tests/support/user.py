"""Somebody who types ``python -m dockbox …``, in a terminal or in a script."""

from __future__ import annotations

import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ptyprocess import PtyProcess

from .run import ROOT, Run
from .waiting import eventually

COMMAND = [sys.executable, "-m", "dockbox"]


class User:
    """Runs a command in a terminal of 24 rows and 80 columns."""

    def __init__(self, run: Run, *words: str, **variables: str) -> None:
        self.process = PtyProcess.spawn(
            [*COMMAND, *words], cwd=str(ROOT), dimensions=(24, 80),
            env=run.environment(**variables, TERM="xterm"),
            # a shell lets what it runs in the background ignore Ctrl-C, and so do all below it
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        self._seen = b""

    def type(self, keys: str) -> None:
        self.process.write(keys.encode())

    def see(self, text: str, timeout: float = 15) -> str:
        """Read on until after ``text``; what came before it."""
        end, wanted = time.monotonic() + timeout, text.encode()
        while wanted not in self._seen:
            ready, _, _ = select.select([self.process.fd], [], [], max(end - time.monotonic(), 0))
            assert ready, f"no {text!r} in {timeout:g} s: {self._seen[-2000:]!r}"
            self._seen += os.read(self.process.fd, 65536)
        before, _, self._seen = self._seen.partition(wanted)
        return before.decode(errors="replace")

    def run(self, command: str) -> str:
        """Type it into the shell; its output."""
        token = secrets.token_hex(6)  # once more in what is sent again after a reconnect
        self.type(f"printf '<%s\\n' {token}; {command}; printf '%s>' {token}\r")
        self.see(f"<{token}\r\n")
        return self.see(f"{token}>").replace("\r\n", "\n")

    def ready(self) -> User:
        """Wait for the shell."""
        self.run("true")
        return self

    @property
    def raw(self) -> bool:
        return not termios.tcgetattr(self.process.fd)[3] & (termios.ECHO | termios.ICANON)

    def ends(self, code: int, timeout: float = 15) -> str:
        """Wait until it has ended with ``code`` and the terminal is as it was; what it said."""
        eventually(lambda: self._read() and not self.process.isalive(), timeout, "the end")
        said, self._seen = self._seen.decode(errors="replace"), b""
        assert (self.process.exitstatus, self.process.signalstatus) == (code, None), said
        assert not self.raw
        return said

    def _read(self) -> bool:
        """So that it can go on."""
        while select.select([self.process.fd], [], [], 0)[0]:
            try:
                self._seen += os.read(self.process.fd, 65536)
            except OSError:  # nobody has the terminal open any more
                break
        return True

    def written(self) -> int:
        """Bytes that it has written so far, anywhere."""
        lines = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["wchar"])

    def kill(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def close(self) -> None:
        self.process.close(force=True)


def script(
    run: Run, *words: str, typed: bytes = b"", code: int = 0, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command that finds ``typed`` in a pipe, and has to end with ``code``."""
    done = subprocess.run(
        [*COMMAND, *words], cwd=ROOT, env=run.environment(**variables), input=typed,
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == code, done
    return done


@contextmanager
def started(
    run: Run, *words: str, typed: bytes, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    """One that finds ``typed`` in a file, and whose output nobody needs."""
    with tempfile.TemporaryFile() as file:
        file.write(typed)
        file.seek(0)
        process = subprocess.Popen(
            [*COMMAND, *words], cwd=ROOT, env=run.environment(**variables), stdin=file,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
