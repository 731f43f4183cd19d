"""Sources: code in, from git repositories and archives, with bounds and without surprises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import BadSource
from . import archive, git
from .base import Deadline, Fetched, Limits, Progress
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
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BadSource("The target folder is not empty.")
    deadline = Deadline(limits.timeout)
    # a sibling, so that the last step is one rename and nobody ever sees half a tree
    staging = directory.parent / f".{directory.name}.fetch"
    try:
        remove(staging)
        staging.mkdir(parents=True)
        tree = staging / "tree"
        result = None
        if source.kind != "git":
            result = archive.fetch(source, tree, limits, policy, progress, deadline)
        if result is None:
            result = git.fetch(source, tree, limits, policy, progress, deadline, ssh_key)
            inside(tree, result.subdir)
        limits.check(*offload(lambda: measure(tree), deadline))
        inside(tree, result.subdir).rename(directory)
        return Fetched(result.commit, result.ref)
    except OSError as error:
        remove(directory)
        raise storage_error(error) from None
    except BaseException:
        remove(directory)
        raise
    finally:
        remove(staging)
