"""dockbox as gunicorn runs it, but a worker kills itself at the step that a test names.

A step is each begin and end of a transaction's commit, of a call of Docker, of a fetch and of
clearing files away, in the worker that does it.  The file that ``FAULT_PLAN`` names holds how many
steps are still to be taken; without it nothing happens.
"""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from sqlalchemy import event
from sqlalchemy.orm import Session

from dockbox import provision
from dockbox.lifecycle import control, queue
from dockbox.runtime.engine import Engine
from wsgi import app  # first of all: it patches

__all__ = ["app"]
PLAN = Path(os.environ["FAULT_PLAN"])
LOOPS = ("reaper", "reconcile", "watcher", "keepalive")  # which go on whatever is tested


def step() -> None:
    """Die if it is the one."""
    if getattr(gevent.getcurrent(), "name", "") in LOOPS:
        return
    die_or_count()


def die_or_count() -> None:
    try:
        left = int(PLAN.read_text()) - 1
    except (OSError, ValueError):
        return
    if left > 0:
        PLAN.write_text(str(left))
        return
    PLAN.unlink(missing_ok=True)
    os.kill(os.getpid(), signal.SIGKILL)


def stepping(work: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(work)
    def stepped(*args: Any, **more: Any) -> Any:
        step()
        result = work(*args, **more)
        step()
        return result

    return stepped


def claimed(claim: Callable[..., Any]) -> Callable[..., Any]:
    """The loop's own moment of danger: it has taken what is due, and not begun."""

    @functools.wraps(claim)
    def stepped(*args: Any, **more: Any) -> Any:
        found = claim(*args, **more)
        if found:
            die_or_count()
        return found

    return stepped


for name in (
    "ensure_image", "create", "start", "stop", "remove", "attach", "recent", "mark", "clear"
):  # fmt: skip
    setattr(Engine, name, stepping(getattr(Engine, name)))
for moment in ("before_commit", "after_commit"):
    event.listen(Session, moment, lambda _: step())
provision.fetch = stepping(provision.fetch)  # type: ignore[assignment]
control.remove = stepping(control.remove)  # type: ignore[assignment]
queue.claim = claimed(queue.claim)
