"""How much goes through the terminals of this worker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Traffic:
    """Bytes since they were taken last: plain integers, since each key and each piece counts."""

    typed: int = 0
    sent: int = 0

    def take(self) -> tuple[int, int]:
        """Bytes typed and bytes sent, which begin again at 0."""
        taken, self.typed, self.sent = (self.typed, self.sent), 0, 0
        return taken
