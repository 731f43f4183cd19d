"""Something that happens while a tree is read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dockbox.environment import detect
from dockbox.sources.base import Deadline


class Meanwhile(Deadline):
    """A deadline that does something when it is asked for the ``nth`` time."""

    def __init__(self, nth: int, act: Callable[[], Any]) -> None:
        super().__init__(60)
        self.asked, self.nth, self.act = 0, nth, act

    def left(self) -> float:
        self.asked += 1
        if self.asked == self.nth:
            self.act()
        return super().left()


def within(seconds: float, root: Path, deadline: Deadline | None = None) -> str | None:
    """``detect``, failing instead of hanging."""
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(detect(root, deadline)), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "detect hangs or raised"
    return found[0]
