"""Archives over http(s): downloaded to a file, then unpacked."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import urllib3

from ..errors import FetchFailed
from .base import Deadline, Found, Limits, Progress, Report
from .http import chunks, get
from .hub import offload
from .policy import Policy
from .unpack import HEAD, detect, unpack
from .url import SourceURL

BLOCK = 4 * 2**20  # written at once, since each write goes through a thread


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
    offload(lambda: _unpack(file, tree, limits, deadline), deadline, "unpack")
    return Found(None, None, source.subdir)


def _unpack(file: Path, tree: Path, limits: Limits, deadline: Deadline) -> None:
    unpack(file, tree, limits, deadline)
    file.unlink()
    _strip(tree)


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
    total = int(length) if re.fullmatch(r"[0-9]{1,18}", length) else 0
    done, shown, block, known = 0, -1, bytearray(), False
    for piece in chunks(response, deadline):
        done += len(piece)
        block += piece
        limits.check(done, 0)
        if not known and len(block) >= HEAD:
            if not detect(bytes(block[:HEAD])):
                return False
            limits.check(total, 0)
            known = True
        if len(block) >= BLOCK:
            offload(partial(_append, file, bytes(block)), deadline)
            block.clear()
        percent = min(100, done * 100 // total) if total else None
        step = percent if percent is not None else done // 2**20
        if step != shown:
            shown = step
            progress(Progress("Downloading", percent, done))
    if total and done < total:
        raise FetchFailed("The connection to the source's host broke off.")
    offload(partial(_append, file, bytes(block)), deadline)
    return known or bool(detect(bytes(block)))


def _append(file: Path, block: bytes) -> None:
    with file.open("ab") as out:
        out.write(block)


def _strip(tree: Path) -> None:
    """Replace ``tree`` by its only folder, as archives of forges have one around everything."""
    entries = list(tree.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink():
        inner = tree.parent / "inner"
        entries[0].rename(inner)
        tree.rmdir()
        inner.rename(tree)
