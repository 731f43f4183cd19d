"""Submodules: repositories inside a repository, each fetched under the rules for any source.

git's own ``submodule`` command is not used: it runs what a repository's files tell it to, and
follows whatever URL they name.  Each submodule has its ``.git`` in its own folder, where no name
that the repository chose can lead elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import BadSource, FetchFailed, FetchTimeout, SourceForbidden
from . import git
from .base import Deadline, Limits, Progress, Report
from .files import inside, measure, remove
from .hub import offload
from .names import is_inside, plain
from .policy import Policy
from .run import Failed, Git, environment
from .url import SourceURL, join, parse, split

MOST = 50
DEEPEST = 5
KEYS = r"^submodule\..*\.(path|url|update)$"
READ = ["config", "--no-includes", "-z", "--blob"]


@dataclass
class Rest:
    """What is still to be fetched of the repository in ``tree``, with the bounds of the whole.

    Only what lies in ``subdir``, or around it, is.
    """

    tree: Path
    subdir: str | None
    limits: Limits
    policy: Policy
    progress: Report
    deadline: Deadline
    ssh_key: str
    count: int = field(default=0, init=False)
    told: int = field(default=0, init=False)

    def fetch(self, parent: SourceURL, commit: str | None, place: str, depth: int = 1) -> None:
        """The submodules of ``parent``, whose ``commit`` lies in the folder ``place`` of the tree.

        One that may not or cannot be fetched stays an empty folder, and ``progress`` says why.
        Raises ``SourceTooLarge``, ``StorageFailed`` and, at the end of the time, ``FetchTimeout``.
        """
        home = self.tree / place if place else self.tree
        if not commit or not offload(lambda: _has_list(home)):
            return
        env = environment({}, "none", None)
        runner = Git(home, env, self.limits, lambda _: None, self.deadline)
        try:
            urls = self._listed(runner, commit)
            recorded = self._recorded(runner, commit, list(urls))
            # for the git in the container: they are there to be used
            runner.run(["config", "submodule.active", "."])
        except Failed:
            return
        for path, sha in recorded.items():
            whole = f"{place}/{path}" if place else path
            if self._wanted(whole):
                self._one(parent, urls[path], whole, sha, depth)

    def _listed(self, runner: Git, commit: str) -> dict[str, str]:
        """Path and URL of every submodule that ``.gitmodules`` has, as it was committed."""
        text = runner.run([*READ, f"{commit}:.gitmodules", "--get-regexp", KEYS])
        found: dict[str, dict[str, str]] = {}
        for entry in text.split("\0"):
            key, _, value = entry.partition("\n")
            name, _, what = key.removeprefix("submodule.").rpartition(".")
            found.setdefault(name, {})[what] = value
        wanted = [one for one in found.values() if one.get("path") and one.get("update") != "none"]
        return {one["path"]: one.get("url", "") for one in wanted}

    def _recorded(self, runner: Git, commit: str, paths: list[str]) -> dict[str, str]:
        """The commit of every one of ``paths`` that is a submodule and may be entered."""
        safe = [path for path in paths if is_inside(path)]
        for path in paths:
            if not is_inside(path):
                self._tell(path, "Its path is not allowed.")
        if not safe:
            return {}
        command = ["--literal-pathspecs", "ls-tree", "-z", commit, "--", *safe[: MOST + 1]]
        recorded = {}
        for entry in runner.run(command).split("\0"):
            head, _, path = entry.partition("\t")
            if head.startswith("160000 commit ") and path in safe:
                recorded[path] = head.split()[2]
        return recorded

    def _wanted(self, path: str) -> bool:
        wanted, here = f"{self.subdir or ''}/".lstrip("/"), f"{path}/"
        return here.startswith(wanted) or wanted.startswith(here)

    def _one(self, parent: SourceURL, url: str, path: str, sha: str, depth: int) -> None:
        self.count += 1
        if self.count > MOST or depth > DEEPEST:
            if self.count <= MOST + 1:
                self._tell(path, "There are too many submodules.")
            return
        folder = None
        try:
            folder = offload(lambda: inside(self.tree, path))
            source = resolve(parent, url)
            self.progress(Progress(f"Submodule {plain(path)}"))
            self._into(folder, source, sha)
        except (BadSource, SourceForbidden, FetchFailed) as error:
            if isinstance(error, FetchTimeout):
                self.deadline.left()
            if folder:
                offload(lambda: _emptied(folder))
            self._tell(path, error.message)
        else:
            self.fetch(source, sha, path, depth + 1)

    def _into(self, folder: Path, source: SourceURL, sha: str) -> None:
        held = offload(lambda: measure(self.tree, self.deadline), self.deadline)
        limits = replace(self.limits, held=held)
        try:
            offload(folder.rmdir)  # which git made, empty
        except OSError:
            raise FetchFailed("Its folder is not empty.") from None
        found = git.fetch(
            replace(source, ref=sha), folder, limits, self.policy, self.progress, self.deadline,
            self.ssh_key,
        )  # fmt: skip
        if found.commit != sha:
            raise FetchFailed("Its commit was not found.")

    def _tell(self, path: str, why: str) -> None:
        self.told += 1
        if self.told <= MOST:
            self.progress(Progress(f"Submodule {plain(path)} was not fetched: {why}"))


def _emptied(folder: Path) -> None:
    remove(folder)
    folder.mkdir(exist_ok=True)


def _has_list(home: Path) -> bool:
    file = home / ".gitmodules"
    return file.is_file() and not file.is_symlink()


def resolve(parent: SourceURL, url: str) -> SourceURL:
    """The source that a submodule's ``url`` means, relative to ``parent`` if it begins with a dot.

    The parent's credentials go along to the same scheme, host and port only.  Raises
    ``BadSource`` or ``SourceForbidden``.
    """
    text = _absolute(parent.public_url, url) if re.match(r"\.\.?/", url) else url
    found = parse(text if text.startswith("git::") else f"git::{text}")
    if found.ref or found.subdir:
        raise BadSource("Its URL is not a repository's.")
    if found.scheme == "ssh":
        return found
    scheme, host, port, user, path, query = split(found.url)
    theirs = split(parent.url) if parent.scheme != "ssh" else None
    if not user and theirs and theirs[:3] == (scheme, host, port):
        found = replace(found, url=join(scheme, host, port, theirs[3], path, query))
    return found


def _absolute(base: str, url: str) -> str:
    """``url`` seen from ``base``, as git reads it: each ``..`` takes one name off the end."""
    start = re.match(r"\w+://[^/]+/|(?:\[[^]]*\]|[^/:])+:", base)
    if not start:
        raise BadSource("Its URL is not a repository's.")
    names = base[start.end() :].strip("/").split("/")
    while part := re.match(r"\.\.?/", url):
        url = url[part.end() :]
        if part[0] == "../":
            if not names:
                raise BadSource("Its URL leads out of its host.")
            names.pop()
    return start[0] + "/".join([*names, url])
