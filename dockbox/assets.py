"""The web page's files, as they are sent: kept in memory, compressed, and named by a version."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
PAGE, BADGE = "index.html", "badge.svg"
IMPORT = re.compile(r'^(?:import|export)\b[^;"()]*"(\./|\.\./)([^"]+)";', re.MULTILINE)


@dataclass(frozen=True)
class Asset:
    """A file: its bytes, the same compressed by gzip, and its media type."""

    content: bytes
    packed: bytes
    kind: str


def _asset(content: bytes, kind: str) -> Asset:
    return Asset(content, gzip.compress(content, 9, mtime=0), kind)


class Assets:
    """All files below ``folder`` that a browser may have.

    ``version`` changes whenever any of them does.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        found = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.suffix in KINDS or path == folder / PAGE
        }
        digest = hashlib.sha256()
        for name, content in found.items():
            digest.update(f"{name} {len(content)}\n".encode() + content)
        self.version = digest.hexdigest()[:16]
        self._page = found.pop(PAGE).decode()
        self.files = {
            name: _asset(content, KINDS[Path(name).suffix]) for name, content in found.items()
        }

    def page(self, *modules: str) -> Asset:
        """The page, which tells the browser at once to load ``modules`` and what they import."""
        links = "".join(
            f'<link rel="modulepreload" href="/static/{self.version}/{name}">\n'
            for name in self._needed(modules)
        )
        text = self._page.replace("{version}", self.version).replace("{preload}", links)
        return _asset(text.encode(), "text/html; charset=utf-8")

    def _needed(self, modules: Iterable[str]) -> list[str]:
        """``modules`` and all that they import, in turn, but not what is imported later."""
        needed: list[str] = []
        waiting = list(modules)
        while waiting:
            name = waiting.pop(0)
            if name in needed or name not in self.files:
                continue
            needed.append(name)
            if name.startswith("vendor/"):
                continue
            for up, rest in IMPORT.findall(self.files[name].content.decode()):
                parent = Path(name).parent if up == "./" else Path(name).parent.parent
                waiting.append((parent / rest).as_posix())
        return needed
