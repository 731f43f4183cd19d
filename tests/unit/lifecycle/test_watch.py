"""Followers of a dockbox that nothing happens to."""

from __future__ import annotations

from contextlib import nullcontext

import gevent
import pytest

from dockbox.greenlets import Greenlets
from dockbox.lifecycle import watch
from dockbox.lifecycle.watch import Watcher


def test_a_follower_hears_that_nothing_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "snapshots", lambda ids: {id: {"state": "stopped"} for id in ids})
    monkeypatch.setattr(watch, "POLL", 0.01)  # many looks for each time that it is told
    greenlets = Greenlets(nullcontext)
    heard = []
    with gevent.Timeout(10):
        for box in Watcher(greenlets).follow("a", 0.1):
            heard.append(box)
            if len(heard) == 3:
                break
    assert heard == [{"state": "stopped"}, None, None]
    greenlets.end(1)
