"""What nobody has used for long goes: dockboxes, containers, images.  All of it is off by default.

A claim is one conditional UPDATE that looks again at everything: who connects at the same moment
either comes first, and the dockbox stays, or finds it gone, as after any DELETE.  What a worker
has claimed and does not finish is finished by another.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select, update

from .. import audit, logs
from ..config import Config
from ..database import clock, transaction
from ..errors import DatabaseUnavailable, DockboxError, RuntimeUnavailable
from ..models import Dockbox, iso
from ..rates import Rates
from ..runtime.base import Runtime
from .control import Control
from .images import IdleImages
from .queue import occupied

log = logging.getLogger(__name__)
DAY = 24 * 3600  # seconds
# Seconds between two collections, by one worker of all, and how long one goes on with dockboxes.
PAUSE, LONGEST = 60, 50.0
TICK = 5.0  # seconds between a worker's attempts to be that one
SHOWN = 1000  # dockboxes that a dry run lists
DELETE, EMPTY, IMAGE = "delete", "remove container", "remove image"


@dataclass(frozen=True)
class Policy:
    """Dockboxes in ``state`` that have not changed for ``days``, and what is done with them."""

    act: str
    state: str
    days: float

    @property
    def reason(self) -> str:
        return f"{'failed' if self.state == 'failed' else 'untouched'} for {self.days:g} days"

    def due(self) -> list[ColumnElement[bool]]:
        """What is true of a dockbox that is due: only the stopped and the failed ever are."""
        since = clock() - self.days * DAY
        conditions = [
            Dockbox.state == self.state, Dockbox.deleted_at.is_(None), Dockbox.owner.is_(None),
            Dockbox.created_at <= since,  # follows from the next, and an index has it
            Dockbox.last_modified <= since, ~occupied(Dockbox.id),
        ]  # fmt: skip
        return conditions + ([Dockbox.container_id.is_not(None)] if self.act == EMPTY else [])


@dataclass(frozen=True)
class Item:
    """Something that goes, and why: a dockbox by ``id`` and ``name``, or an image by ``name``."""

    act: str
    name: str
    reason: str
    id: str | None = None
    last_modified: str | None = None


def policies(config: Config, days: float | None = None) -> list[Policy]:
    """Those that are on; ``days`` instead of ``GC_AFTER_DAYS``."""
    every = (
        Policy(DELETE, "failed", config.gc_failed_days),
        Policy(DELETE, "stopped", config.gc_after_days if days is None else days),
        Policy(EMPTY, "stopped", config.gc_container_days),
    )
    return [policy for policy in every if policy.days or (days == 0 and policy is every[1])]


class Garbage:
    """Collects; ``worker`` owns what it has claimed."""

    def __init__(
        self, config: Config, runtime: Runtime, control: Control, images: IdleImages, worker: str
    ) -> None:
        self._config, self._runtime = config, runtime
        self._control, self._images, self._worker = control, images, worker

    def look(self) -> None:
        """Collect, if it is time and nobody else does; called every ``TICK``."""
        on = policies(self._config)
        if not (on or self._config.images_high):
            return
        try:
            if Rates().incr("garbage", PAUSE) > 1:
                return
        except DockboxError as error:
            log.warning("no garbage is collected for now: %s", error.message)
            return
        for items in (self.dockboxes(on, LONGEST), self.images()):
            try:
                for item in items:
                    log.debug("collected %s", item)
            except DockboxError as error:
                log.warning("garbage was left: %s", error.message)

    def listed(self, on: list[Policy]) -> Iterator[Item]:
        """The dockboxes that would go now, at most ``SHOWN`` by each policy."""
        told: set[str] = set()
        for policy in on:
            found = select(Dockbox).where(*policy.due()).order_by(Dockbox.last_modified)
            with transaction(reads=True) as session:
                boxes = session.scalars(found.limit(SHOWN)).all()
            yield from (_item(policy, box) for box in boxes if box.id not in told)
            told.update(box.id for box in boxes)

    def dockboxes(self, on: list[Policy], seconds: float | None = None) -> Iterator[Item]:
        """Claim and clear away one dockbox after the other; begin none after ``seconds``.

        Yields each that is gone.  Raises what the runtime raises: then that one stays.  What is
        only refused for one of them is raised at the end, or it would keep all after it.
        """
        end = time.monotonic() + seconds if seconds is not None else float("inf")
        refused: dict[str, DockboxError] = {}
        for policy in on:
            while time.monotonic() < end and (id := oldest(policy, refused)):
                # under way, or we would take our own claim for half done
                with self._control.under_way(id), logs.concerning(dockbox=id):
                    if box := claim(policy, id, self._worker):
                        try:
                            self._clear_away(policy, box)
                        except (RuntimeUnavailable, DatabaseUnavailable):
                            raise
                        except DockboxError as error:
                            log.warning("not collected: %s", error.message)
                            refused[id] = error
                        else:
                            yield _item(policy, box)
        if refused:
            raise next(iter(refused.values()))

    def images(self, everything: bool = False, dry: bool = False) -> Iterator[Item]:
        """Idle images, as ``IdleImages.remove`` has them."""
        for name, reason in self._images.remove(everything, dry):
            if not dry:
                audit.record(IMAGE, None, image=name, by="gc", reason=reason)
            yield Item(IMAGE, name, reason)

    def _clear_away(self, policy: Policy, box: Dockbox) -> None:
        audit.record(policy.act, box.id, by="gc", reason=policy.reason)
        if policy.act == DELETE:
            self._control.delete_claimed(box.id)
            return
        gone: dict[str, Any] = {}
        try:
            # if we slept since the claim, others may have let somebody in
            self._runtime.remove(box.id, force=False)
            gone = {"container_id": None}
        finally:
            self._give_back(box, gone)

    def _give_back(self, box: Dockbox, values: dict[str, Any]) -> None:
        """Let a dockbox that was ``stopping`` be stopped again, as long untouched as it was."""
        mine = (Dockbox.id == box.id, Dockbox.owner == self._worker, Dockbox.state == "stopping")
        back = {"state": "stopped", "owner": None, "last_modified": box.last_modified}
        with transaction() as session:
            session.execute(update(Dockbox).where(*mine).values(**back, **values))


def oldest(policy: Policy, but: Collection[str] = ()) -> str | None:
    """The dockbox that has been due longest, ``but`` none of these."""
    due = select(Dockbox.id).where(*policy.due(), Dockbox.id.not_in(list(but)))
    with transaction(reads=True) as session:
        return session.scalar(due.order_by(Dockbox.last_modified).limit(1))


def claim(policy: Policy, id: str, worker: str) -> Dockbox | None:
    """Take the dockbox, if it is due still; ``worker`` owns it then.

    From now on nobody gets in: it is deleted or, while its container is removed, ``stopping``;
    for who dies meanwhile that is a stop, and those who adopt it end it as one.
    """
    taken = {"deleted_at": clock()} if policy.act == DELETE else {"state": "stopping"}
    with transaction() as session:
        # locked first, so that the connections are seen that were made while we waited for it
        session.execute(select(Dockbox.id).where(Dockbox.id == id).with_for_update())
        change = update(Dockbox).where(Dockbox.id == id, *policy.due())
        # the time stays, for when it has to be given back
        change = change.values(owner=worker, last_modified=Dockbox.last_modified, **taken)
        return session.scalars(change.returning(Dockbox)).first()


def touch(config: Config, box: Dockbox) -> None:
    """Note that somebody works with the dockbox's files, in time for ``GC_AFTER_DAYS``."""
    if config.gc_after_days:
        grain = config.gc_after_days * DAY / 24  # one write in so many seconds will do
        stale = (Dockbox.deleted_at.is_(None), Dockbox.last_modified < clock() - grain)
        with transaction() as session:
            change = update(Dockbox).where(Dockbox.id == box.id, *stale)
            session.execute(change.values(last_modified=clock()))


def _item(policy: Policy, box: Dockbox) -> Item:
    return Item(policy.act, box.custom_id, policy.reason, box.id, iso(box.last_modified))
