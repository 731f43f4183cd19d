"""The operator's command, ``flask dockbox …``."""

from __future__ import annotations

import subprocess
import sys

from .run import ROOT, Run
from .server import Server


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
