"""A git server's list of refs, as its answer to ``info/refs`` has it (git's protocol-v0 format)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..errors import FetchFailed, SourceTooLarge

SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
MOST_BYTES = 64 * 2**20
LONGEST = 65520  # bytes of a line, by the protocol


def advertised(pieces: Iterable[bytes]) -> dict[str, str] | None:
    """Every ref and its object; under the key "" the default branch's full name.

    ``None`` when the server speaks another version of the protocol.  Raises ``FetchFailed`` for
    anything else and ``SourceTooLarge``.
    """
    refs: dict[str, str] = {}
    for line in _lines(pieces):
        if line.startswith(b"# service="):
            continue
        if line.startswith(b"version "):
            if line.strip() != b"version 1":
                return None
            continue
        if line.startswith(b"ERR "):
            raise FetchFailed("The repository was not found or is private.")
        head, _, capabilities = line.partition(b"\0")
        for word in capabilities.split():
            if word.startswith(b"symref=HEAD:"):
                refs[""] = word[len(b"symref=HEAD:") :].decode(errors="replace")
        value, _, name = head.decode(errors="replace").rstrip("\n").partition(" ")
        if SHA.fullmatch(value) and name != "capabilities^{}":
            refs[name] = value
    return refs if any(name for name in refs) else {}


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The payloads of pkt-lines; ``0000``, which ends a section, is left out."""
    buffer, total, ended = b"", 0, False
    for piece in pieces:
        buffer += piece
        total += len(piece)
        if total > MOST_BYTES:
            raise SourceTooLarge("The repository has too many refs.")
        at = 0
        while len(buffer) - at >= 4:
            size = _size(buffer[at : at + 4])
            ended = size == 0
            if ended:
                at += 4
                continue
            if len(buffer) - at < size:
                break
            yield buffer[at + 4 : at + size]
            at += size
        buffer = buffer[at:]
    if buffer or not ended:
        raise FetchFailed("The connection to the source's host broke off.")


def _size(digits: bytes) -> int:
    if not re.fullmatch(rb"[0-9a-f]{4}", digits) or not (
        digits == b"0000" or 4 <= int(digits, 16) <= LONGEST
    ):
        raise FetchFailed("The source is not a git repository.")
    return int(digits, 16)
