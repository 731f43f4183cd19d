"""SQLite too finds what the loops of each worker look for by an index."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dockbox.lifecycle import disk, lookup, queue, workers

from ...support import many
from .world import Database

CALLS: dict[str, tuple[Callable[[], object], str]] = {
    "claim": (lambda: queue.claim("worker-0"), "queue (state=? AND stops_at>? AND stops_at<?)"),
    "queue_idle": (workers.queue_idle, "attended"),
    "adopt": (lambda: workers.adopt("worker-0", list, True), "unfinished"),
    "disk": (lambda: disk._mine("worker-0"), "state (state=?)"),
    "page": (lambda: lookup.page(50, (1e10, ""), None), "newest ((created_at,id)<(?,?))"),
    "page of a state": (
        lambda: lookup.page(50, (1e10, ""), "failed"),
        "state (state=? AND (created_at,id)<(?,?))",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_index_that_was_made_for_it_is_used(db: Database, name: str) -> None:
    many.fill(1000, db.now())
    call, index = CALLS[name]
    assert f"USING INDEX ix_dockboxes_{index}" in " ".join(many.sqlite_plans(call))
