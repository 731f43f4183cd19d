"""From a URL to a container: the one use case of many steps.

The row comes first and goes last, so that whatever a crash leaves half done is found there.
While it runs, its worker owns the row; every write says so, and a write that changes nothing
means that the dockbox was deleted, or that others took this worker for dead: then stop.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gevent
from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from . import audit, metrics, turns
from .config import Config
from .database import transaction
from .environment import Images, detect
from .errors import Cancelled, DatabaseUnavailable, DockboxError, NameTaken, RuntimeUnavailable
from .greenlets import Greenlets
from .lifecycle import queue, quota, workers
from .lifecycle.control import Control
from .lifecycle.images import make_container
from .lifecycle.watch import Watcher
from .metrics import step
from .models import Dockbox
from .runtime.base import ContainerSpec, Runtime
from .sources import Limits, Policy, Progress, SourceURL, fetch
from .sources.base import Deadline
from .sources.files import share
from .sources.hub import offload
from .turns import WAITING, Turns

log = logging.getLogger(__name__)
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # nothing that is mistaken for something else
GIVE_UP = 4.0  # seconds for clearing away what could not be finished at the end
INTERRUPTED = "The server was restarted while the dockbox was being created."


@dataclass(frozen=True)
class Order:
    """What to create; ``source`` may hold credentials, which end with the fetch."""

    source: SourceURL
    image: str | None
    name: str | None
    idle_timeout: int
    token: str | None = None  # that it is for


class Provision:
    """Creates dockboxes, each in a greenlet that outlives the request."""

    def __init__(
        self, config: Config, runtime: Runtime, images: Images, control: Control,
        watcher: Watcher, greenlets: Greenlets, worker: str,
    ) -> None:  # fmt: skip
        self._config, self._runtime, self._images = config, runtime, images
        self._control, self._watcher = control, watcher
        self._greenlets, self._worker = greenlets, worker
        self._running: dict[str, gevent.Greenlet] = {}
        self._cancelled: set[str] = set()  # of those: told to stop, and clearing away
        self._fetches = Turns(turns.share(config, config.max_fetches), config.source_timeout)

    def begin(self, order: Order) -> tuple[str, gevent.Greenlet]:
        """Write the row and start; returns the id, and a greenlet that ends when all is done.

        Raises ``NameTaken``, ``QuotaExceeded``, ``ImageForbidden``, ``BadRequest`` (the image) or
        ``DatabaseUnavailable``.
        """
        if order.image:
            self._images.choose(None, order.image, self._config.allowed_images)
        workers.beat(self._worker)  # or, just back from an outage, others would take it for dead
        for _ in range(10):
            id = str(uuid.uuid4())
            self._control.hold(id)
            try:
                self._insert(id, order)
            except IntegrityError:
                self._control.let_go(id)
                if order.name:
                    raise NameTaken() from None
            except BaseException:
                self._control.let_go(id)
                raise
            else:
                return id, self._spawn(id, order)
        raise DatabaseUnavailable("No free name was found.")

    def _spawn(self, id: str, order: Order) -> gevent.Greenlet:
        greenlet = self._greenlets.spawn("create", self._run, id, order, dockbox=id)
        self._running[id] = greenlet

        def ended(_: gevent.Greenlet) -> None:
            del self._running[id]
            self._cancelled.discard(id)
            self._control.let_go(id)

        greenlet.link(ended)
        return greenlet

    def _insert(self, id: str, order: Order) -> None:
        row = Dockbox(
            id=id, custom_id=order.name or "".join(secrets.choice(ALPHABET) for _ in range(8)),
            source=order.source.public_url, ref=order.source.ref, subdir=order.source.subdir,
            state="creating", owner=self._worker, idle_timeout=order.idle_timeout,
            token_id=order.token,
        )  # fmt: skip
        with transaction() as session:
            quota.check(session, self._config, order.token)
            session.add(row)

    def wait(self, seconds: float) -> None:
        """Let what is being created be finished, for ``seconds`` at the most; the rest fails."""
        gevent.joinall(list(self._running.values()), timeout=seconds)
        for id in list(self._running):
            self._cancel(id, gevent.GreenletExit)
        gevent.joinall(list(self._running.values()), timeout=GIVE_UP)

    # --- the steps ------------------------------------------------------------------------

    def _run(self, id: str, order: Order) -> None:
        try:
            self._create(id, order)
        except Cancelled:
            self.abandon(id, Cancelled())
        except DockboxError as error:
            log.info("create failed: %s", error.message)
            self.abandon(id, error)
        except gevent.GreenletExit:
            self.abandon(id, DockboxError(INTERRUPTED))
        except BaseException:
            self.abandon(id, DockboxError())
            raise
        finally:
            self._watcher.nudge()

    def _create(self, id: str, order: Order) -> None:
        config, report = self._config, self._reporter(id)
        mount = self._control.mount(id)
        limits = Limits(config.source_timeout, config.source_max_bytes, config.source_max_files)
        with contextlib.ExitStack() as turn:
            with step("wait"):
                turn.enter_context(self._fetches.turn(lambda: report(Progress(WAITING))))
            with step("fetch"):
                fetched = fetch(
                    order.source, mount, limits, Policy(config.private_sources), report,
                    config.source_ssh_key,
                )  # fmt: skip
            deadline = Deadline(config.source_timeout)
            with step("detect"):
                language = offload(lambda: self._prepare(mount, deadline), deadline)
        image = self._images.choose(language, order.image, config.allowed_images)
        self._write(id, commit=fetched.commit, ref=fetched.ref, language=language, image=image)
        spec = ContainerSpec(id, image, mount)
        container = make_container(self._runtime, spec, lambda *now: report(Progress(*now)))
        self._write(id, container_id=container, state="stopped", owner=None, progress=None)
        metrics.CREATES.labels("created").inc()
        audit.record("created", id, commit=fetched.commit, image=image)

    @staticmethod
    def _prepare(mount: Path, deadline: Deadline) -> str | None:
        share(mount, deadline)
        return detect(mount, deadline)

    def _write(self, id: str, **values: object) -> None:
        """Raises ``Cancelled`` when the row is no longer ours to write."""
        with transaction() as session:
            change = update(Dockbox).where(
                Dockbox.id == id, Dockbox.owner == self._worker,
                Dockbox.state == "creating", Dockbox.deleted_at.is_(None),
            )  # fmt: skip
            if session.execute(change.values(**values).returning(Dockbox.id)).first() is None:
                raise Cancelled()

    def _reporter(self, id: str) -> Callable[[Progress], None]:
        """Progress into the row: each new step at once, percentages at most twice a second."""
        last, written = "", 0.0

        def report(step: Progress) -> None:
            nonlocal last, written
            if step.step == last and time.monotonic() - written < 0.5:
                return
            if step.step != last:
                log.debug("%s", step.step)
            last, written = step.step, time.monotonic()
            shown = {"step": step.step, "percent": step.percent, "bytes": step.bytes}
            self._write(id, progress=json.dumps(shown))
            self._watcher.nudge()

        return report

    # --- the end of those that fail ---------------------------------------------------------

    def cancel_deleted(self) -> None:
        """Stop creating what was deleted meanwhile, by whichever worker."""
        if not self._running:
            return
        with transaction(reads=True) as session:
            gone = Dockbox.id.in_(list(self._running)), Dockbox.deleted_at.is_not(None)
            deleted = session.scalars(select(Dockbox.id).where(*gone)).all()
        for id in deleted:
            self._cancel(id, Cancelled)

    def _cancel(self, id: str, why: type[BaseException]) -> None:
        """Tell a creation to stop, once: a second time would end its clearing away."""
        if id in self._running and id not in self._cancelled:
            self._cancelled.add(id)
            self._running[id].kill(why, block=False)

    def abandon(self, id: str, error: DockboxError) -> None:
        """Leave nothing of a dockbox that could not be made but its row, and the reason in it.

        What cannot be cleared away now is left to whoever adopts the row.
        """
        try:
            with contextlib.suppress(RuntimeUnavailable):  # the reaper finds what is left there
                self._runtime.remove(id)
            self._control.clear_files(id)
            self._give_up(id, error)
        except DockboxError as another:
            log.warning("create could not be cleared away: %s", another.message)
            with contextlib.suppress(DatabaseUnavailable):  # what is ours but idle is adopted too
                queue.release(id, self._worker)

    def _give_up(self, id: str, error: DockboxError) -> None:
        mine = (Dockbox.id == id, Dockbox.owner == self._worker)
        changes = (
            delete(Dockbox).where(*mine, Dockbox.deleted_at.is_not(None)),
            update(Dockbox)
            .where(*mine, Dockbox.state == "creating")
            .values(
                state="failed", error=error.message, error_code=error.code, owner=None,
                progress=None,
            ),
        )  # fmt: skip
        with transaction() as session:
            ended = [session.execute(change.returning(Dockbox.id)).first() for change in changes]
        if any(ended):  # or others have taken it over, and count it
            metrics.CREATES.labels(error.code).inc()
