"""Archives over http(s): downloaded to a file, then unpacked."""

from __future__ import annotations

from pathlib import Path

import urllib3

from ..errors import FetchFailed
from .base import Deadline, Found, Limits, Progress, Report
from .files import offload, remove
from .http import chunks, get
from .policy import Policy
from .unpack import HEAD, detect, unpack
from .url import SourceURL


def fetch(
    source: SourceURL,
    tree: Path,
    limits: Limits,
    policy: Policy,
    progress: Report,
    deadline: Deadline,
) -> Found | None:
    """Put the archive's content into the new folder ``tree``, without a single top folder.

    ``None`` when ``source.kind`` is ``http`` and the content is no archive.  Raises
    ``FetchFailed``, ``FetchTimeout``, ``SourceForbidden`` or ``SourceTooLarge``.
    """
    file = tree.parent / "download"
    with get(source.url, policy, deadline) as (_, response):
        if response.status != 200:
            if source.kind == "http":
                return None
            raise _refused(response.status)
        if not _download(response, file, limits, progress, deadline, source.kind == "http"):
            if source.kind == "http":
                return None
            raise FetchFailed("The source is not an archive that dockbox can unpack.")
    progress(Progress("Unpacking"))
    offload(lambda: unpack(file, tree, limits, deadline), deadline)
    remove(file)
    _strip(tree)
    return Found(None, None, source.subdir)


def _refused(status: int) -> FetchFailed:
    if status in (401, 403, 404, 410):
        return FetchFailed("The archive was not found or is private.")
    return FetchFailed(f"The source's host answered with status {status}.")


def _download(
    response: urllib3.BaseHTTPResponse,
    file: Path,
    limits: Limits,
    progress: Report,
    deadline: Deadline,
    probe: bool,
) -> bool:
    """Whether the body was an archive; then it is in ``file``."""
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else 0
    done, shown, head = 0, -1, b""
    with file.open("wb") as out:
        for piece in chunks(response, deadline):
            if len(head) < HEAD:
                head += piece[: HEAD - len(head)]
                if len(head) == HEAD:
                    if not detect(head):
                        return False
                    limits.check(total, 0)
            done += len(piece)
            limits.check(done, 0)
            out.write(piece)
            percent = min(100, done * 100 // total) if total else None
            step = percent if percent is not None else done // 2**20
            if step != shown:
                shown = step
                progress(Progress("Downloading", percent, done))
    if total and done < total:
        raise FetchFailed("The connection to the source's host broke off.")
    return bool(detect(head))


def _strip(tree: Path) -> None:
    """Replace ``tree`` by its only folder, as archives of forges have one around everything."""
    entries = list(tree.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink():
        inner = tree.parent / "inner"
        entries[0].rename(inner)
        tree.rmdir()
        inner.rename(tree)
