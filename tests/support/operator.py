"""The operator's command, ``flask dockbox …``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .run import ROOT, Run
from .server import Server

# One process for many commands: most of a command's time is the import of what it may need.
MANY = """
import json, sys
from wsgi import app
runner = app.test_cli_runner()
for line in sys.stdin:
    command, typed = json.loads(line)
    done = runner.invoke(args=["dockbox", *command], input=typed)
    print(json.dumps([done.exit_code, done.stdout, done.stderr]), flush=True)
"""


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Operator:
    """Types commands, on a host with the server's settings."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdin and process.stdout
        self._keys, self._screen = process.stdin, process.stdout

    def __call__(self, *command: str, typed: str = "", code: int = 0) -> Said:
        """Run one, which has to end with ``code``; ``typed`` is what it finds to read."""
        self._keys.write(json.dumps([command, typed]) + "\n")
        self._keys.flush()
        said = Said(*json.loads(self._screen.readline()))
        assert said.code == code, said
        return said


@contextmanager
def operator(run: Run, server: Server) -> Iterator[Operator]:
    process = subprocess.Popen(
        [sys.executable, "-c", MANY], cwd=ROOT, env=run.environment(**server.settings),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        yield Operator(process)
        assert process.stdin
        process.stdin.close()


def operate(run: Run, server: Server, *command: str) -> subprocess.CompletedProcess[str]:
    """Run it with the server's settings."""
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "dockbox", *command],
        cwd=ROOT, env=run.environment(**server.settings), capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


def new_token(run: Run, server: Server, name: str, *options: str) -> str:
    """The text of a new token."""
    made = operate(run, server, "token", "create", name, *options)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()
