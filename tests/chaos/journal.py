"""What has happened, and what must not have."""

from __future__ import annotations

import threading
import time
from collections import Counter


class Journal:
    """Prints each event with its time since the start; counts them by kind and outcome."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._lock = threading.Lock()  # guards the two below, and keeps lines whole
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []

    def event(self, who: str, what: str, detail: str = "", outcome: str = "") -> None:
        """``what`` and ``outcome`` are counted; ``detail`` is for the reader."""
        with self._lock:
            self.counts[f"{what}: {outcome}" if outcome else what] += 1
            self._say(who, " ".join(part for part in (what, detail, outcome) if part))

    def violation(self, name: str, detail: str) -> None:
        with self._lock:
            self.violations.append(f"{time.monotonic() - self._start:.2f} {name}: {detail}")
            self._say("VIOLATION", f"{name}: {detail}")

    def _say(self, who: str, text: str) -> None:
        print(f"{time.monotonic() - self._start:8.2f} {who:<9} {text}", flush=True)

    def summary(self) -> str:
        lines = [f"{count:6} {name}" for name, count in sorted(self.counts.items())]
        lines.append(f"{len(self.violations)} violations")
        return "\n".join(lines + [f"  {violation}" for violation in self.violations])
