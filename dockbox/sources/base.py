"""The values that go into and come out of a fetch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import FetchTimeout, SourceTooLarge


@dataclass(frozen=True)
class Limits:
    """Bounds of one fetch: ``timeout`` in seconds, ``max_bytes`` on disk, ``max_files``.

    ``held`` are the bytes and files that are there already, and count.
    """

    timeout: float
    max_bytes: int
    max_files: int
    held: tuple[int, int] = (0, 0)

    def check(self, size: int, files: int) -> None:
        """Raise ``SourceTooLarge`` when ``size`` bytes or ``files`` files are too many."""
        if size + self.held[0] > self.max_bytes:
            raise SourceTooLarge(f"The source has more than {self.max_bytes} bytes.")
        if files + self.held[1] > self.max_files:
            raise SourceTooLarge(f"The source has more than {self.max_files} files.")


@dataclass(frozen=True)
class Progress:
    """Where a fetch is: a step's name, its percentage and its bytes, where known."""

    step: str
    percent: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Fetched:
    """What was fetched: the commit and the branch, tag or other ref; both ``None`` for archives."""

    commit: str | None
    ref: str | None


Report = Callable[[Progress], None]


@dataclass
class Deadline:
    """A moment after which everything stops; also stopped early by ``cancel``."""

    seconds: float
    cancelled: bool = False
    end: float = field(init=False)

    def __post_init__(self) -> None:
        self.end = time.monotonic() + self.seconds

    def cancel(self) -> None:
        self.cancelled = True

    def left(self) -> float:
        """Seconds that remain, more than 0; raises ``FetchTimeout`` when none do."""
        left = self.end - time.monotonic()
        if self.cancelled or left <= 0:
            raise self.error()
        return left

    def error(self) -> FetchTimeout:
        return FetchTimeout(f"The source could not be fetched in {self.seconds:g} seconds.")


@dataclass(frozen=True)
class Found:
    """A fetched tree before its folder is picked: commit, ref and the folder's final name."""

    commit: str | None
    ref: str | None
    subdir: str | None
