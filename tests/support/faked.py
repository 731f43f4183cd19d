"""Servers whose clock is wrong: Debian's faketime, for a process and all that it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .processes import Missing
from .run import Run

PROBE = """
from gevent import monkey
monkey.patch_all()
import time
print(time.time(), time.monotonic())
"""


def clock_off(by: str) -> dict[str, object]:
    """Settings of a ``Server`` whose time of day is off ``by``, such as ``+1h``."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise Missing("libfaketime is missing: apt-get install faketime (`make test` does)")
    return {
        "ld_preload": found[0], "faketime": by,
        # As with a wrong clock: what counts seconds goes on counting, and so do times of files,
        # which gunicorn's workers set to the seconds that they count.
        "dont_fake_monotonic": 1, "faketime_dont_fake_monotonic": 1, "no_fake_stat": 1,
        "pythonpath": Path(__file__).with_name("faketime"),
    }  # fmt: skip


def clocks(run: Run, settings: dict[str, object]) -> tuple[float, float]:
    """What ``time()`` and ``monotonic()`` are for a process with these settings under gevent."""
    environment = run.environment(**{k.upper(): str(v) for k, v in settings.items()})
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    now, monotonic = done.stdout.split()
    return float(now), float(monotonic)
