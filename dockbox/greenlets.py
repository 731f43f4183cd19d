"""Greenlets with a name and a reported death, and psycopg2 made cooperative."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import gevent
import psycopg2
import psycopg2.extensions
from gevent.socket import wait_read, wait_write

from . import logs

log = logging.getLogger(__name__)
DATABASE_TIMEOUT = 15.0  # seconds for one step of a statement or of connecting


class Greenlets:
    """Greenlets of one owner, each with a name; ``context`` is entered in each of them."""

    def __init__(self, context: Callable[[], AbstractContextManager[Any]]) -> None:
        self._context = context
        self._running: set[gevent.Greenlet] = set()

    def spawn(
        self, name: str, work: Callable[..., Any], *args: Any, dockbox: str | None = None
    ) -> gevent.Greenlet:
        """Run ``work(*args)`` in a greenlet called ``name``; its errors are logged by that name.

        Its lines of the log are about what those of the caller are, and about ``dockbox``.
        """
        about = logs.about() | ({"dockbox": dockbox} if dockbox else {})
        greenlet = gevent.Greenlet(self._run, about, work, *args)
        greenlet.name, greenlet.about = name, about
        greenlet.link(self._running.discard)
        self._running.add(greenlet)
        greenlet.start()
        return greenlet

    def repeat(self, name: str, work: Callable[[], Any], pause: float) -> None:
        """Run ``work`` every ``pause`` seconds, for ever; one time that fails is logged."""

        def run() -> None:
            while True:
                gevent.sleep(pause)
                try:
                    work()
                except Exception:
                    log.exception("%s failed; it goes on", name)

        self.spawn(name, run)

    def _run(self, about: dict[str, object], work: Callable[..., Any], *args: Any) -> Any:
        logs.begin(about)
        with self._context():
            return work(*args)

    def end(self, seconds: float) -> None:
        """Kill all that still run, waiting for them for ``seconds`` at the most."""
        gevent.killall(list(self._running), timeout=seconds)


def report_deaths() -> None:
    """Have the death of any greenlet in the log, where gevent would print a traceback."""
    gevent.get_hub().print_exception = _report


def _report(greenlet: Any, kind: Any, value: Any, trace: Any) -> None:
    name, about = getattr(greenlet, "name", greenlet), getattr(greenlet, "about", {})
    log.error("greenlet %s died", name, exc_info=(kind, value, trace), extra={"fields": about})


def patch_psycopg2() -> None:
    """Let other greenlets run while PostgreSQL works (psycopg2: 'Support for coroutines')."""
    psycopg2.extensions.set_wait_callback(_wait)


def _wait(connection: Any) -> None:
    # psycopg2 closes a connection whose wait raises, so that no half-read answer is left in it
    late = psycopg2.OperationalError(f"no answer in {DATABASE_TIMEOUT} seconds")
    while True:
        state = connection.poll()
        if state == psycopg2.extensions.POLL_OK:
            return
        wait = wait_read if state == psycopg2.extensions.POLL_READ else wait_write
        wait(connection.fileno(), timeout=DATABASE_TIMEOUT, timeout_exc=late)
