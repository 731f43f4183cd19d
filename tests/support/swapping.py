"""A tree that changes under its readers as fast as a process can: folders and links trade places.

    python -m tests.support.swapping FOLDER LINK [FOLDER LINK ...]

exchanges each pair again and again, until it is killed.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

from .run import ROOT

AT_FDCWD, RENAME_EXCHANGE = -100, 2
LIBC = ctypes.CDLL(None, use_errno=True)


def exchange(one: Path, other: Path) -> bool:
    """Let two names trade what they stand for, at once; false when one is not there."""
    names = os.fsencode(one), os.fsencode(other)
    done = LIBC.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE)
    return bool(done == 0)


class Swapper:
    """Makes ``tree`` with a few small files, and swaps its folders with links to ``outside``.

    ``tree`` holds 5 folders, 3 links and 12 files of one byte.
    """

    def __init__(self, tree: Path, outside: Path) -> None:
        self.tree = tree
        self._process: subprocess.Popen[str] | None = None
        self._pairs: list[Path] = []
        (tree / "top/below").mkdir(parents=True)
        for folder in (tree / "a", tree / "top/b", tree / "top/below/c"):
            folder.mkdir()
            for number in range(4):
                (folder / f"{number}.rb").write_bytes(b"x")
            link = folder.with_name(folder.name + ".swap")
            link.symlink_to(outside)
            self._pairs += [folder, link]

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *map(str, self._pairs)], cwd=ROOT,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout and self._process.stdout.readline() == "swapping\n"

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


def main() -> None:
    pairs = list(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    print("swapping", flush=True)
    while True:
        for one, other in pairs:
            exchange(Path(one), Path(other))


if __name__ == "__main__":
    main()
