"""Containers are made of images that dockbox pulls, notes, and removes when the disk fills up.

Only what dockbox itself has pulled is ever removed: what else the engine has is the operator's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..config import Config
from ..database import clock, transaction
from ..errors import ContainerGone, ImageUnavailable, RuntimeFailed
from ..metrics import step
from ..models import Dockbox, Image
from ..runtime.base import ContainerSpec, Report, Runtime

TRIES = 3


def make_container(runtime: Runtime, spec: ContainerSpec, report: Report) -> str:
    """Have the image, and make the container of it; the container's id.

    Raises what the runtime raises.
    """
    for _ in range(TRIES):
        with step("image"):
            pulled = runtime.ensure_image(spec.image, report)
        _note(spec.image, pulled)
        report("Creating container", None, None)
        # the image may be removed in between
        with contextlib.suppress(ContainerGone), step("container"):
            return runtime.create(spec)
    raise ImageUnavailable(f"The image {spec.image} was removed again and again.")


def _note(name: str, pulled: bool) -> None:
    """Remember that the image is used now, if dockbox has pulled it, now or earlier."""
    with transaction() as session:
        use = update(Image).where(Image.name == name).values(used_at=clock())
        if session.execute(use.returning(Image.name)).first() or not pulled:
            return
    # another worker may have waited for the same pull
    with contextlib.suppress(IntegrityError), transaction() as session:
        session.execute(insert(Image).values(name=name))


class IdleImages:
    """Removes images between the two marks of how full the engine's disk is.

    ``kept`` are removed after all others: the next dockbox is likely to need them.
    """

    def __init__(self, config: Config, runtime: Runtime, kept: Collection[str]) -> None:
        self._high, self._low = config.images_high, config.images_low
        self._runtime, self._kept = runtime, kept

    def remove(self, everything: bool = False, dry: bool = False) -> Iterator[tuple[str, str]]:
        """Remove idle images, the least recently used first; yields name and reason of each.

        Above ``IMAGES_HIGH`` percent until below ``IMAGES_LOW``; or ``everything`` that is idle.
        ``dry``: nothing is removed, so all that might be is told.  Raises what the runtime raises.
        """
        why = "it was asked for"
        if not everything:
            full = self._full(dry) if self._high else 0.0
            if full <= self._high:
                return
            why = f"Docker's disk was {full:.0f} % full"
        for name in self._idle(dry):
            if dry:
                yield name, why
            elif self._remove(name):
                yield name, why
                if not everything and self._full() < self._low:
                    return

    def _remove(self, name: str) -> bool:
        """Whether it is gone.  One that Docker refuses must not keep all that are used later."""
        try:
            gone = self._runtime.remove_image(name)
        except RuntimeFailed:
            return False
        if gone:
            _forget(name)
        return gone

    def _full(self, dry: bool = False) -> float:
        """How full the disk is, in percent; 0 when there is no image of ours to be removed."""
        there = (
            name for name in reversed(self._in_order()) if self._is_idle(name, dry) is not None
        )
        sample = next(there, None)
        return self._runtime.disk(sample) if sample else 0.0

    def _idle(self, dry: bool) -> Iterator[str]:
        return (name for name in self._in_order() if self._is_idle(name, dry))

    def _is_idle(self, name: str, dry: bool) -> bool | None:
        idle = self._runtime.image_is_idle(name)
        if idle is None and not dry:
            _forget(name)  # the operator removed it; what comes by this name next may be theirs
        return idle

    def _in_order(self) -> list[str]:
        uses = _last_uses()
        return sorted(uses, key=lambda name: (name in self._kept, uses[name]))


def _last_uses() -> Mapping[str, float]:
    """When each image of ours was last used: a container made of it, or its dockbox changed.

    Those of dockboxes that are just being created are left out.
    """
    there = Dockbox.deleted_at.is_(None)
    with transaction(reads=True) as session:
        images = session.execute(select(Image.name, Image.used_at)).all()
        boxes = session.execute(
            select(Dockbox.image, func.max(Dockbox.last_modified))
            .where(there)
            .group_by(Dockbox.image)
        ).all()
        creating = session.scalars(
            select(Dockbox.image).where(there, Dockbox.state == "creating")
        ).all()
    used = {str(name): float(when) for name, when in boxes if name is not None}
    return {
        name: max(when, used.get(name, 0.0)) for name, when in images if name not in set(creating)
    }


def _forget(name: str) -> None:
    with transaction() as session:
        session.execute(delete(Image).where(Image.name == name))
