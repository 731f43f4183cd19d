"""Each worker's loop: say that it lives, stop what is due, finish what others left."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

import gevent
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from .. import audit
from ..database import clock, first, transaction
from ..errors import DatabaseUnavailable, DockboxError, RuntimeFailed
from ..greenlets import Greenlets
from ..models import Dockbox, Installation
from ..provision import INTERRUPTED, Provision
from ..runtime.base import Runtime
from . import queue, workers
from .control import Control
from .manager import ConnectionManager
from .sizes import Sizes

log = logging.getLogger(__name__)
CLAIM, MOST_WORK = 20, 100  # stops begun at a tick, and works under way with which no more are
TICK = 0.5  # seconds between looks at the queue
RECONCILE = 10.0  # seconds between comparisons of Docker with the database, by one worker of all
SETTLED = 15.0  # seconds after which a row that differs from Docker is not just being changed
AT_ONCE = 1000  # ids in one statement: a database bounds its parameters


class Reaper:
    """Everything that is done without being asked for."""

    def __init__(
        self, runtime: Runtime, manager: ConnectionManager, control: Control,
        sizes: Sizes, provision: Provision, greenlets: Greenlets, worker: str,
    ) -> None:  # fmt: skip
        self._runtime, self._manager, self._control = runtime, manager, control
        self._sizes, self._provision = sizes, provision
        self._greenlets, self._worker = greenlets, worker
        self._steady = workers.Steady()
        self._reconciling: gevent.Greenlet | None = None

    def run(self) -> None:
        """Loop for ever; a database or an engine that is away is waited for."""
        with first():
            self._run()

    def _run(self) -> None:
        slow = 0.0
        while True:
            try:
                if time.monotonic() - slow >= workers.HEARTBEAT:
                    slow = time.monotonic()
                    self._beat()
                self._tick()
            except DatabaseUnavailable:
                log.warning("the database cannot be reached")
                gevent.sleep(1)
            except Exception:
                log.exception("the reaper failed; it goes on")
                gevent.sleep(1)
            gevent.sleep(TICK)

    def _tick(self) -> None:
        self._provision.cancel_deleted()
        room = MOST_WORK - len(self._control.busy())  # Docker may be hanging
        for box in queue.claim(self._worker, min(CLAIM, room)) if room > 0 else ():
            audit.record("stop", box.id, by="queue")
            self._work("stop", box, self._control.finish_stop)

    def _beat(self) -> None:
        steady = self._steady.beat(workers.beat(self._worker))
        self._compare_connections()
        for id in workers.forget_dead() if steady else ():
            self._sizes.fit(id)
        workers.queue_idle()
        for box in workers.adopt(self._worker, self._control.busy, steady):
            fields = {"dockbox": box.id, "state": box.state}
            log.info("finishing what was left half done", extra={"fields": fields})
            self._work("finish", box, self._finish(box))
        if not self._reconciling:  # beside this loop: an engine that hangs must not stop the beat
            self._reconciling = self._greenlets.spawn("reconcile", self._compare_containers)

    def _compare_connections(self) -> None:
        """Mend what a database that was away, or that took us for dead, has not heard of.

        The database is read first: what it has and is not here after that is a client that left.
        What is too much for the time between two beats is left to the next one.
        """
        end = time.monotonic() + workers.HEARTBEAT / 2
        written = workers.connections(self._worker)
        here, counted = self._manager.here(), self._manager.counted()
        for connection in written.keys() - here.keys():
            if time.monotonic() > end:
                return
            queue.schedule(written[connection], connection)
        for connection in counted.keys() - written.keys():
            if time.monotonic() > end:
                return
            with contextlib.suppress(IntegrityError):  # it came in between
                # where the container was stopped meanwhile, the client is about to be told
                size, token = self._sizes.of(connection), self._manager.token(connection)
                box = counted[connection]
                queue.cancel(box, connection, self._worker, size, ["running"], token)

    def _finish(self, box: Dockbox) -> Callable[[str], None]:
        if box.deleted_at is not None:
            return self._control.finish_delete
        if box.state == "creating":
            return lambda id: self._provision.abandon(id, DockboxError(INTERRUPTED))
        if box.state == "stopping":
            return self._control.finish_stop
        return lambda id: queue.release(id, self._worker)

    def _work(self, what: str, box: Dockbox, work: Callable[[str], None]) -> None:
        """Do ``work`` in a greenlet of its own; when it fails, it is adopted and tried again."""
        self._control.hold(box.id)  # before anything else can run, and take it for half done

        def run() -> None:
            try:
                work(box.id)
            except DockboxError as error:
                log.warning("%s failed: %s", what, error.message)
            finally:
                self._control.let_go(box.id)

        self._greenlets.spawn(what, run, dockbox=box.id)

    # --- Docker against the database ------------------------------------------------------

    def _compare_containers(self) -> None:
        try:
            self._reconcile()
        except DockboxError as error:
            log.warning("no comparison with Docker: %s", error.message)

    def _reconcile(self) -> None:
        with transaction() as session:
            turn = session.execute(
                update(Installation)
                .where(Installation.reconciled_at < clock() - RECONCILE)
                .values(reconciled_at=clock())
                .returning(clock())
            ).first()
        if turn is None:
            return
        calm = turn[0] - SETTLED  # by then, long before Docker was asked, a row had its state
        containers = {info.dockbox_id: info for info in self._runtime.list()}
        known = _known(list(containers))
        for id, state in known.items():
            runs = id in containers and containers[id].running
            if state == "running" and not runs:
                queue.container_ended(id, calm)
            elif state == "stopped" and runs:
                queue.found_running(id, calm)
        for id in containers:
            if known.get(id, "failed") == "failed":
                fields = {"dockbox": id}
                log.warning("removing a container without a dockbox", extra={"fields": fields})
                with contextlib.suppress(RuntimeFailed):  # the others are not to wait for it
                    self._runtime.remove(id)


def _known(ids: list[str]) -> dict[str, str]:
    """The state of whatever runs, and of those with these ids."""
    columns = Dockbox.id, Dockbox.state
    known: dict[str, str] = {}
    with transaction(reads=True) as session:
        running = select(*columns).where(Dockbox.state == "running", Dockbox.deleted_at.is_(None))
        known.update((id, state) for id, state in session.execute(running))
        others = [id for id in ids if id not in known]
        for start in range(0, len(others), AT_ONCE):
            some = select(*columns).where(Dockbox.id.in_(others[start : start + AT_ONCE]))
            known.update((id, state) for id, state in session.execute(some))
    return known
