"""Sources: code in, from git repositories and archives, with bounds and without surprises."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ..errors import BadSource, StorageFailed
from . import archive, git, submodules
from .base import Deadline, Fetched, Found, Limits, Progress
from .files import inside, measure, offload, remove, storage_error
from .policy import Policy
from .url import SourceURL, parse

__all__ = ["Fetched", "Limits", "Policy", "Progress", "SourceURL", "fetch", "parse"]


def fetch(
    source: SourceURL,
    directory: Path,
    limits: Limits,
    policy: Policy,
    progress: Callable[[Progress], None],
    ssh_key: str = "",
) -> Fetched:
    """Fetch ``source`` into ``directory``, which must be empty or not there yet.

    All or nothing: whatever goes wrong, being killed included, ``directory`` is gone afterwards.
    ``progress`` is called from this greenlet; what it raises ends the fetch.  Raises the errors
    of the group "sources" in ``errors``: ``BadSource``, ``SourceForbidden``, ``SourceTooLarge``,
    ``FetchFailed``, ``FetchTimeout`` and ``StorageFailed``.
    """
    deadline = Deadline(limits.timeout)
    # a sibling, so that the last step is one rename and nobody ever sees half a tree
    staging = directory.parent / f".{directory.name}.fetch"
    try:
        offload(lambda: _prepare(directory, staging))
    except BaseException:
        offload(lambda: remove(staging))
        raise
    try:
        try:
            found = _fetch(source, staging / "tree", limits, policy, progress, deadline, ssh_key)
            offload(lambda: _finish(staging / "tree", found, directory, limits, deadline), deadline)
        finally:
            offload(lambda: remove(staging))
        return Fetched(found.commit, found.ref)
    except BaseException as error:
        # one more kill may come while this waits; the thread ends its work all the same
        offload(lambda: remove(directory))
        if isinstance(error, OSError):
            raise storage_error(error) from None
        raise


def _prepare(directory: Path, staging: Path) -> None:
    """An empty ``staging``, without what a crashed fetch left there."""
    try:
        if os.path.lexists(directory) and (
            directory.is_symlink() or not directory.is_dir() or any(directory.iterdir())
        ):
            raise BadSource("The target folder is not empty.")
        if not remove(staging):
            raise StorageFailed()
        staging.mkdir(parents=True)
    except OSError as error:
        raise storage_error(error) from None


def _fetch(
    source: SourceURL,
    tree: Path,
    limits: Limits,
    policy: Policy,
    progress: Callable[[Progress], None],
    deadline: Deadline,
    ssh_key: str,
) -> Found:
    if source.kind != "git":
        found = archive.fetch(source, tree, limits, policy, progress, deadline)
        if found is not None:
            return found
    found = git.fetch(source, tree, limits, policy, progress, deadline, ssh_key)
    rest = submodules.Rest(tree, found.subdir, limits, policy, progress, deadline, ssh_key)
    rest.fetch(source, found.commit, "")
    return found


def _finish(tree: Path, found: Found, directory: Path, limits: Limits, deadline: Deadline) -> None:
    folder = inside(tree, found.subdir)
    limits.check(*measure(tree, deadline))
    folder.rename(directory)
