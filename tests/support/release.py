"""An earlier release of dockbox, to be served beside this one."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from .processes import Missing
from .run import ROOT


def checkout(commit: str, folder: Path) -> Path:
    """Its code as it was committed, in ``folder``; the packages are this checkout's.

    Raises ``Missing``.
    """
    command = ["git", "-C", str(ROOT), "archive", commit]
    done = subprocess.run(command, check=False, capture_output=True)
    if done.returncode:
        raise Missing(
            f"the release at {commit} is missing here, whose servers this test runs:"
            " a whole clone has it (git fetch --unshallow)"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder
