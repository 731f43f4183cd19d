"""Waiting for something to become true."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def eventually(
    condition: Callable[[], Value], timeout: float = 10, what: str = "", every: float = 0.02
) -> Value:
    """The first true value of ``condition``; ``AssertionError`` if none came in ``timeout`` s."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {what or condition}; got {value!r}")
        time.sleep(every)
