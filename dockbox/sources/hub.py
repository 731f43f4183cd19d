"""Waiting without holding others up: everything here that knows of gevent.

In a process that gevent has patched, one thread runs all terminals.  Work on files and look-ups
of names go to thread pools of their own, not to gevent's: a slow archive or a name server that
does not answer may keep other sources waiting, never the database's or Docker's names.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from .base import Deadline

T = TypeVar("T")
# few threads unpack at once, since each of them takes the interpreter's lock from the terminals
POOLS = {"files": 16, "unpack": 2, "names": 8, "usage": 4, "browse": 8, "remove": 2, "metrics": 1}
LOOKUP = 10.0
TURN = 0.005
_pools: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def patched() -> bool:
    """Whether gevent has patched this process."""
    monkey: Any = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))


def _pool(name: str) -> Any:
    import gevent
    from gevent.threadpool import ThreadPool

    pools = _pools.setdefault(gevent.get_hub(), {})
    if name not in pools:
        pools[name] = ThreadPool(POOLS[name])
    return pools[name]


def shielded(work: Callable[[], T], stop: Callable[[], None] | None = None) -> T:
    """Run ``work`` in a greenlet of its own that ends before this returns, even when killed.

    ``stop`` is called once when this greenlet is killed; the kill is raised after the end.
    """
    if not patched():
        return work()
    import gevent

    def job() -> tuple[list[T], BaseException | None]:
        try:
            return [work()], None
        except BaseException as caught:  # handed over: gevent would print it as unexpected
            return [], caught

    task = gevent.spawn(job)
    try:
        task.join()
    except BaseException:
        if stop:
            stop()
        while not task.ready():
            with contextlib.suppress(BaseException):
                task.join()
        raise
    result, error = task.get()
    if error is not None:
        raise error
    return result[0]  # type: ignore[no-any-return]


def offload(work: Callable[[], T], deadline: Deadline | None = None, pool: str = "files") -> T:
    """Run ``work`` in a thread where gevent patched the process, else right here.

    A killed greenlet cancels ``deadline`` and waits for the thread, so that nothing is written
    any more after this has returned.
    """
    if not patched():
        return work()

    def job() -> tuple[list[T], BaseException | None]:
        try:
            if deadline and deadline.cancelled:
                deadline.left()
            return [work()], None
        except BaseException as caught:
            return [], caught

    def wait() -> T:
        result, error = _pool(pool).apply(job)
        if error is not None:
            raise error
        return result[0]  # type: ignore[no-any-return]

    return shielded(wait, deadline.cancel if deadline else None)


@contextlib.contextmanager
def bounded(seconds: float, error: Exception) -> Iterator[None]:
    """Raise ``error`` in the body after ``seconds``, wherever it waits; only under gevent."""
    if not patched():
        yield
        return
    import gevent

    timeout = gevent.Timeout.start_new(seconds)
    try:
        yield
    except gevent.Timeout as caught:
        if caught is not timeout:
            raise
        raise error from None
    finally:
        timeout.close()


def lookup(host: str, port: int, deadline: Deadline | None) -> list[Any]:
    """``socket.getaddrinfo`` for TCP that ends in time; raises ``OSError`` or ``FetchTimeout``."""
    if not patched():
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    from gevent.monkey import get_original

    ask = get_original("socket", "getaddrinfo")

    def job() -> tuple[list[Any], OSError | UnicodeError | None]:
        try:
            return ask(host, port, type=socket.SOCK_STREAM), None
        except (OSError, UnicodeError) as caught:
            return [], caught

    left = deadline.left() if deadline else LOOKUP
    late: Exception = OSError("no answer in time")
    if deadline and left <= LOOKUP:
        late = deadline.error()
    with bounded(min(left, LOOKUP), late):
        found, error = _pool("names").apply(job)
    if error is not None:
        raise error
    return list(found)


class Turns:
    """Gives the other greenlets their turns while bytes come faster than they are read.

    A read of a socket that has bytes does not wait, so a fast sender would keep the hub.
    """

    def __init__(self, deadline: Deadline) -> None:
        self.deadline, self.since = deadline, time.monotonic()

    def __call__(self) -> None:
        """Raises ``FetchTimeout`` when the time is over."""
        self.deadline.left()
        if time.monotonic() - self.since > TURN:
            if patched():
                import gevent

                gevent.sleep(0)
            self.since = time.monotonic()


__all__ = ["Turns", "bounded", "lookup", "offload", "patched", "shielded"]
