"""The addresses of forges' web pages, as copied from a browser."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

GIT_HOSTS = ("github.com", "gitlab.com", "bitbucket.org", "codeberg.org")


@dataclass(frozen=True)
class Page:
    """A repository's path, and the ref and folder that its page shows.

    ``unknown``: a page, such as a download, of which only the content tells what it is.
    """

    path: str
    ref: str | None = None
    subdir: str | None = None
    ambiguous: bool = False
    unknown: bool = False


def read_page(host: str, path: str) -> Page:
    """Read a page's path; anything that is no known page comes back unchanged."""
    parts = [part for part in path.split("/") if part]
    if host == "gitlab.com" or "-" in parts:
        if "-" not in parts:
            # GitLab's former pages: its reserved names cannot be a project's
            at = next((n for n in range(2, len(parts)) if parts[n] in ("tree", "blob")), 0)
            return (at and _pick(parts[:at], parts[at:])) or Page(path.rstrip("/"))
        at = parts.index("-")
        return _pick(parts[:at], parts[at + 1 :]) or Page(path, unknown=True)
    if host not in GIT_HOSTS:
        return Page(path)
    if len(parts) <= 2:
        return Page("/" + "/".join(parts))
    return _pick(parts[:2], parts[2:]) or Page(path, unknown=True)


def _pick(project: list[str], rest: list[str]) -> Page | None:
    repository = "/" + "/".join(project)
    if len(rest) < 2 or not project:
        return None
    what, tail = rest[0], [unquote(part) for part in rest[1:]]
    if what in ("pull", "merge_requests") and tail[0].isdecimal():
        folder = "merge-requests" if what == "merge_requests" else "pull"
        return Page(repository, f"refs/{folder}/{tail[0]}/head")
    if what == "commit":
        return Page(repository, tail[0])
    if what == "src" and tail[0] in ("branch", "tag", "commit") and len(tail) > 1:
        tail = tail[1:]  # Gitea and Forgejo say which it is
    elif what not in ("tree", "blob", "src"):
        return None
    if what == "blob":  # a file's page: its folder is the nearest thing that can be opened
        tail = tail[:-1] if len(tail) > 1 else tail
    if len(tail) > 2 and tail[0] == "refs":
        return Page(repository, "/".join(tail[:3]), "/".join(tail[3:]) or None, len(tail) > 3)
    return Page(repository, tail[0], "/".join(tail[1:]) or None, len(tail) > 1)
