"""Images: is it there, and if not, pull it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import gevent
from docker import APIClient
from docker.errors import APIError
from docker.utils import parse_repository_tag

from ..config import Config
from ..errors import ImageUnavailable, RuntimeUnavailable
from ..turns import WAITING, Turns, share
from .base import Report
from .translate import translated

Call = Callable[..., AbstractContextManager[APIClient]]  # with the seconds that it may take


class Pulls:
    """Pulls images, so many at a time."""

    def __init__(self, config: Config) -> None:
        self._timeout = config.pull_timeout
        self._turns = Turns(share(config, config.max_pulls), config.pull_timeout)

    def ensure(self, call: Call, image: str, report: Report, anew: bool = False) -> bool:
        """Pull ``image`` unless the engine that ``call`` gives has it, or ``anew`` in any case.

        Returns whether it was pulled.  Raises ``ImageUnavailable``, ``RuntimeUnavailable``, or
        ``Busy`` if no turn came in time.
        """
        with call() as api:
            if not anew and _present(api, image):
                return False
        late = RuntimeUnavailable("The image could not be pulled in time.")
        with self._turns.turn(lambda: report(WAITING, None, None)):
            with gevent.Timeout(self._timeout, late), call(self._timeout) as api:
                return _ensure(api, image, report, anew)


def _present(api: APIClient, image: str) -> bool:
    """Whether the engine has it."""
    try:
        api.inspect_image(image)
    except APIError as error:
        if error.status_code != 404:
            raise
        return False
    return True


def _ensure(api: APIClient, image: str, report: Report, anew: bool) -> bool:
    """Pull ``image`` unless the engine has it; ``report`` is told the whole pull's progress.

    Returns whether it was pulled.  Raises ``ImageUnavailable`` when the registry does not give it.
    """
    with translated():
        if not anew and _present(api, image):
            return False
        report("Pulling image", None, None)
        repository, tag = parse_repository_tag(image)
        try:
            events = api.pull(repository, tag=tag or "latest", stream=True, decode=True)
            _follow(events, image, report)
        except APIError as error:
            if error.status_code == 500 and "connect" in str(error.explanation):
                raise ImageUnavailable(f"The registry of {image} cannot be reached.") from error
            raise ImageUnavailable(f"The image {image} cannot be had from its registry.") from error
        try:
            api.inspect_image(image)
        except APIError:
            raise ImageUnavailable(f"The image {image} was pulled but is not there.") from None
    return True


def _follow(events: Iterable[dict[str, Any]], image: str, report: Report) -> None:
    layers: dict[str, tuple[int, int]] = {}
    shown: tuple[int | None, int] | None = None
    for event in events:
        if "error" in event:
            raise ImageUnavailable(f"The image {image} cannot be had from its registry.")
        detail = event.get("progressDetail") or {}
        if event.get("status") == "Downloading" and detail.get("total"):
            layers[event.get("id", "")] = (detail.get("current", 0), detail["total"])
        elif event.get("status") == "Download complete" and event.get("id") in layers:
            total = layers[event["id"]][1]
            layers[event["id"]] = (total, total)
        done = sum(current for current, _ in layers.values())
        whole = sum(total for _, total in layers.values())
        step = (done * 100 // whole if whole else None, done)
        if step[0] is not None and (shown is None or step[0] != shown[0]):
            shown = step
            report("Pulling image", *step)
