"""The language of a tree of files, by bytes, project files and their place.

The tree is hostile and may change meanwhile: no link is ever followed, nothing but a regular
file is ever opened, and everything is bounded.
"""

from __future__ import annotations

import os
import stat
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import languages
from .languages import FAMILIES, HEADER, NOTEBOOK

if TYPE_CHECKING:
    from ..sources.base import Deadline

MAX_ENTRIES = 200_000  # names looked at
MAX_FOLDERS = 50_000  # names of folders remembered at one time
MAX_DEPTH = 32  # Java's deepest are about 15; each level costs a system call a folder
MAX_PEEKS = 2_000  # files opened; on a network mount each is a round trip
PEEK_BYTES = 512
# One huge file is generated or data, whatever it is called: it must not decide alone.
MAX_WEIGHT = 256 * 1024
# A notebook's bytes are mostly its outputs.
MAX_NOTEBOOK_WEIGHT = 16 * 1024
AUXILIARY_SHARE = 1 / 8

# How far bytes are believed to be the project, next to a project file in the root.
TRUST_OF_DEPTH = (1.0, 1 / 4, 1 / 16)  # of the project file; the last one for all deeper ones
TRUST_OF_HINT = 1 / 4  # times the above: a Makefile beside a pyproject.toml
TRUST_UNMARKED = 1 / 32  # Lua with a package.json for its linter is Lua
TRUST_ASIDE = 1 / 1024  # a page's JavaScript does not outweigh a small Flask application
HINT_ALONE = 2  # no project file at all: C with a Makefile against other code
MARKER_BYTES = 16  # what a project file is worth when there is no code yet

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def detect(directory: Path, deadline: Deadline | None = None) -> str | None:
    """The language of the source tree ``directory``, lower-case; ``None`` when there is none.

    What cannot be read, ``directory`` included, counts as not there.  Blocks on the disk.
    Raises what ``deadline.left()`` raises, and nothing else.
    """
    tally = _Tally()
    folders: deque[_Folder] = deque([_Folder()])
    entries = 0
    while folders:  # breadth first, so that a bound cuts off what is farthest from the root
        folder = folders.popleft()
        try:
            with _Opened(directory, folder) as handle, os.scandir(handle) as listing:
                if folder.parts and _is_cache(handle):
                    continue
                for entry in listing:
                    if deadline:
                        deadline.left()
                    entries += 1
                    if entries > MAX_ENTRIES:
                        return tally.decide()
                    below = tally.add(folder, handle, entry)
                    if below and len(folders) < MAX_FOLDERS:
                        folders.append(below)
        except OSError:
            continue  # unreadable, vanished, or turned into something else
    return tally.decide()


@dataclass(frozen=True)
class _Folder:
    """A folder of the tree: names from the root, and how much of a file in it counts."""

    parts: tuple[str, ...] = ()
    share: float = 1.0

    def below(self, name: str) -> _Folder | None:
        """The folder ``name`` in this one, ``None`` when it is not the project's own code."""
        if languages.ignored_folder(name) or len(self.parts) >= MAX_DEPTH:
            return None
        auxiliary = name.lower() in languages.AUXILIARY_FOLDERS
        return _Folder((*self.parts, name), AUXILIARY_SHARE if auxiliary else self.share)


class _Opened:
    """Opens a folder name by name below the root: a part that became a link cannot lead out."""

    def __init__(self, root: Path, folder: _Folder) -> None:
        self.root, self.parts = root, folder.parts

    def __enter__(self) -> int:
        self.handle = os.open(self.root, _FOLDER)
        for part in self.parts:
            above = self.handle
            try:
                self.handle = os.open(part, _FOLDER, dir_fd=above)
            finally:
                os.close(above)
        return self.handle

    def __exit__(self, *error: object) -> None:
        os.close(self.handle)


def _is_cache(handle: int) -> bool:
    """Whether the folder says so itself: a virtual environment, or what a build tool made."""
    for name in ("pyvenv.cfg", "CACHEDIR.TAG"):
        try:
            os.stat(name, dir_fd=handle, follow_symlinks=False)
        except OSError:
            continue
        return True
    return False


def _peek(handle: int, name: str) -> bytes:
    """The first bytes of the regular file ``name`` of a folder; nothing when it is none."""
    file = os.open(name, _FILE, dir_fd=handle)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return b""
        return os.read(file, PEEK_BYTES)
    finally:
        os.close(file)


@dataclass
class _Tally:
    """What was seen: bytes by language, trust by family of languages."""

    code: Counter[str] = field(default_factory=Counter)
    marks: dict[str, float] = field(default_factory=dict)
    hints: dict[str, float] = field(default_factory=dict)
    typescript: float = 0  # trust in the best tsconfig.json
    peeks: int = 0

    def add(self, folder: _Folder, handle: int, entry: os.DirEntry[str]) -> _Folder | None:
        """Count one entry of an opened folder; returns the folder to visit, if it is one."""
        try:
            if entry.is_dir(follow_symlinks=False):
                if entry.name.endswith((".xcodeproj", ".xcworkspace")):
                    self.mark(folder, entry.name)
                return folder.below(entry.name)
            if entry.is_file(follow_symlinks=False):
                self.mark(folder, entry.name)
                language = self.language(handle, entry)
                if language:
                    self.count(language, entry.stat(follow_symlinks=False).st_size, folder.share)
        except OSError:
            pass  # vanished, or not readable
        return None

    def count(self, language: str, size: int, share: float) -> None:
        bound = MAX_NOTEBOOK_WEIGHT if language == NOTEBOOK else MAX_WEIGHT
        weight = int(min(size, bound) * share) + 1  # an empty main.py counts
        self.code["python" if language == NOTEBOOK else language] += weight

    def mark(self, folder: _Folder, name: str) -> None:
        depth = min(len(folder.parts), len(TRUST_OF_DEPTH) - 1)
        trust = TRUST_OF_DEPTH[depth] * folder.share
        for found, kept in (
            (languages.marked(name), self.marks),
            (languages.HINTS.get(name), self.hints),
        ):
            if found:
                kept[found] = max(kept.get(found, 0), trust)
        if name == "tsconfig.json":
            self.typescript = max(self.typescript, trust)

    def language(self, handle: int, entry: os.DirEntry[str]) -> str | None:
        """The language of a regular file, by its name and, where that says nothing, its start."""
        name = entry.name
        if languages.generated(name):
            return None
        language = languages.of_name(name)
        if language == "typescript" and name.lower().endswith(".ts"):
            return language if languages.is_typescript(self.peek(handle, name)) else None
        if language or languages.has_tags(name):
            return language
        if "." in name and not entry.stat(follow_symlinks=False).st_mode & 0o111:
            return None
        return languages.of_shebang(self.peek(handle, name))

    def peek(self, handle: int, name: str) -> bytes:
        self.peeks += 1
        return _peek(handle, name) if self.peeks <= MAX_PEEKS else b""

    def decide(self) -> str | None:
        """The language with most trusted bytes; the first by name of equals."""
        headers = self.code.pop(HEADER, 0)
        if headers:
            self.code[self.most(("c", "c++", "objective-c"))] += headers
        size: Counter[str] = Counter()
        for language, count in self.code.items():
            size[FAMILIES.get(language, language)] += count
        scores = {
            family: (size[family] + (MARKER_BYTES if family in self.marks else 0))
            * self.trust(family)
            for family in {*size, *self.marks}
        }
        if not scores:
            return None
        family = min(scores, key=lambda name: (-scores[name], name))
        if family == "javascript" and self.typescript >= self.marks.get(family, 1):
            return "typescript"
        return self.most([family, *(one for one in FAMILIES if FAMILIES[one] == family)])

    def trust(self, family: str) -> float:
        if family in self.marks:
            # a family may have both, as C++ with a .vcxproj and a Makefile
            return max(self.marks[family], self.hints.get(family, 0) * TRUST_OF_HINT)
        if not self.marks:
            return HINT_ALONE if family in self.hints else 1
        if family in self.hints:
            return max(self.hints[family] * TRUST_OF_HINT, TRUST_UNMARKED)
        return TRUST_ASIDE if family in languages.ASIDE else TRUST_UNMARKED

    def most(self, names: list[str] | tuple[str, ...]) -> str:
        """Which of the languages ``names`` has most bytes; the first of equals."""
        return max(names, key=lambda name: self.code[name])
