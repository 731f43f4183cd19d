"""Addresses that show one wrong token after the other.

Nobody guesses 256 bits, but each guess costs a look into the database.  So this is no lock but a
damper, and it is cheap: a worker counts for itself, in memory, and forgets.  Who shares an address
with a guesser is not locked out: a token that was right here lately is still looked at.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from .errors import TooManyRequests

Key = TypeVar("Key")
Value = TypeVar("Value")

WRONG, SPAN = 60, 60.0  # wrong tokens of an address, in so many seconds
KEPT = 10_000  # addresses, and tokens, that a worker remembers


class Strangers:
    """Counts wrong tokens by address; ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # and the span's end
        self._right: OrderedDict[int, None] = OrderedDict()  # hashes that mean nothing elsewhere

    def check(self, address: str, token: str) -> None:
        """Raise ``TooManyRequests`` if ``token`` is not worth a look."""
        count, end = self._wrong.get(address, (0, 0.0))
        left = end - self._clock()
        if count >= WRONG and left > 0 and hash(token) not in self._right:
            raise TooManyRequests("Too many wrong tokens came from here.", math.ceil(left))

    def wrong(self, address: str, token: str) -> None:
        """The token was wrong."""
        self._right.pop(hash(token), None)
        count, end = self._wrong.get(address, (0, 0.0))
        now = self._clock()
        _keep(self._wrong, address, (count + 1, end) if end > now else (1, now + SPAN))

    def right(self, token: str) -> None:
        """The token was right."""
        _keep(self._right, hash(token), None)


def _keep(kept: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > KEPT:
        kept.popitem(last=False)
