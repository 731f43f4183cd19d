"""Names from outside: refs, folders and paths, and what of them may be shown."""

from __future__ import annotations

import re
import unicodedata

from ..errors import BadSource

BAD_REF = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.$|\.lock(/|$)|(^|/)\.|/$|^/|^@$"
    r"|^(refs/(heads|tags)/)?-"  # an option, to whom the short name is given
)
SHOWN = 120  # characters of a name in a sentence


def is_ref(ref: str) -> bool:
    """Whether git check-ref-format would take ``ref``, and no program for an option."""
    return bool(ref) and len(ref) <= 250 and not BAD_REF.search(ref) and ref.isprintable()


def check_ref(ref: str) -> str:
    """``ref`` itself when git check-ref-format would take it, else ``BadSource``."""
    if not is_ref(ref):
        raise BadSource("The ref is not a valid name of a branch, tag or commit.")
    return ref


def is_dotgit(name: str) -> bool:
    """Whether some file system takes ``name`` for ``.git``: by case, marks or Windows' short name.

    A file below such a folder may be a hook or a setting that git would run.
    """
    seen = "".join(char for char in name if unicodedata.category(char) != "Cf")
    return seen.partition(":")[0].rstrip(" .").casefold() in (".git", "git~1")


def is_inside(path: str) -> bool:
    """Whether ``path``, relative, stays inside a tree and away from any ``.git``."""
    parts = path.split("/")
    bad = path.startswith(("/", "-")) or ".." in parts or not (path + "x").isprintable()
    return not (bad or "\\" in path or len(path) > 1024 or any(map(is_dotgit, parts)))


def check_subdir(subdir: str) -> str | None:
    """``subdir`` without needless slashes, ``None`` for the root; raises ``BadSource``."""
    if not is_inside(subdir):
        raise BadSource("The folder must be a relative path inside the source.")
    return "/".join(part for part in subdir.split("/") if part not in ("", ".")) or None


def plain(text: str, most: int = SHOWN) -> str:
    """``text``, at most so many characters of it, without anything that a terminal would obey."""
    shown = "".join(char if char.isprintable() else "?" for char in text[: most + 1])
    return shown if len(shown) <= most else shown[:most] + "…"
