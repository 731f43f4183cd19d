"""Sockets are closed and greenlets have ended when a test is over."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

from .pair import OPENED


@pytest.fixture(autouse=True)
def close_sockets() -> Iterator[None]:
    yield
    for sock in OPENED:
        sock.close()
    OPENED.clear()
    gevent.sleep(0)
