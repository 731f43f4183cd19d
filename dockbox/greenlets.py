"""Greenlets with a name and a reported death, and psycopg2 made cooperative."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent
import psycopg2.extensions
from gevent.socket import wait_read, wait_write

log = logging.getLogger(__name__)


def spawn(name: str, work: Callable[..., Any], *args: Any) -> gevent.Greenlet:
    """Run ``work(*args)`` in a greenlet called ``name``; its errors are logged by that name."""
    greenlet = gevent.Greenlet(work, *args)
    greenlet.name = name
    greenlet.link_exception(_report)
    greenlet.start()
    return greenlet


def _report(greenlet: gevent.Greenlet) -> None:
    log.error("greenlet %s died: %r", greenlet.name, greenlet.exception)


def patch_psycopg2() -> None:
    """Let other greenlets run while PostgreSQL works (psycopg2: 'Support for coroutines')."""
    psycopg2.extensions.set_wait_callback(_wait)


def _wait(connection: Any) -> None:
    while True:
        state = connection.poll()
        if state == psycopg2.extensions.POLL_OK:
            return
        (wait_read if state == psycopg2.extensions.POLL_READ else wait_write)(connection.fileno())
