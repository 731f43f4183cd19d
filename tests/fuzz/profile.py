"""How many examples, and which."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = "DOCKBOX_FUZZ_EXAMPLES"  # set by `python -m tests.fuzz`
MANY = int(os.environ.get(EXAMPLES, "0"))


def fuzz(few: int) -> settings:
    """``few`` examples, always the same; while fuzzing as many as are asked for, always others."""
    return settings(
        max_examples=MANY or few,
        derandomize=not MANY,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
