"""Submodules: repositories that a stranger's repository names, under the rules for any source."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dockbox.errors import BadSource, FetchFailed, FetchTimeout, SourceForbidden, SourceTooLarge
from dockbox.sources import Limits, parse, submodules
from dockbox.sources.base import Deadline, Progress
from dockbox.sources.submodules import resolve

from ...support.site import git
from ...unit.sources.conftest import LOOPBACK, Handler, Site

PARENT = parse("https://me:s3cret@host.org/group/parent.git")


def repository(site: Site, name: str, subs: dict[str, tuple[str, str]], **files: str) -> str:
    """Commit ``files`` and submodules, ``{path: (url, commit)}``; returns the commit."""
    lists = "".join(
        f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n' for path, (url, _) in subs.items()
    )
    site.repository(name, {"file": name, **files, **({".gitmodules": lists} if subs else {})})
    work = site.repos / f"{name}.git"
    for path, (_, commit) in subs.items():
        git(work, "update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    git(work, "commit", "-qm", "submodules", "--allow-empty")
    return git(work, "rev-parse", "HEAD").strip()


def rest(tree: Path, progress: Callable[[Progress], None]) -> submodules.Rest:
    limits = Limits(20, 10**7, 999)
    return submodules.Rest(tree, None, limits, LOOPBACK, progress, Deadline(20), "")


def told(site: Site) -> list[str]:
    return [step.step for step in site.steps if "was not fetched" in step.step]


def empty(folder: Path) -> bool:
    return folder.is_dir() and os.listdir(folder) == []


# --- those that may be had ------------------------------------------------------------------


def test_submodules_are_there_at_the_commit_recorded_nested_ones_too(site: Site) -> None:
    inner = repository(site, "inner", {})
    middle = repository(site, "middle", {"in/ner": ("../inner.git", inner)})
    site.repository("middle", {"later": "x"})
    repository(site, "top", {"libs/middle": (f"{site.url}/middle.git", middle)})
    site.fetch("/top.git")
    assert told(site) == []
    assert (site.out / "libs/middle/in/ner/file").read_text() == "inner"
    assert not (site.out / "libs/middle/later").exists()
    for folder in (site.out, site.out / "libs/middle", site.out / "libs/middle/in/ner"):
        assert git(folder, "status", "--porcelain") == ""
    lines = git(site.out, "submodule", "status", "--recursive").splitlines()
    assert [line[:41] for line in lines] == [f" {middle}", f" {inner}"]
    assert site.left() == ["out"]


def test_the_git_of_the_container_can_go_on_with_them(site: Site) -> None:
    sub = repository(site, "sub", {})
    repository(site, "top", {"sub": ("./../sub.git", sub)})
    site.fetch("/top.git")
    (site.out / "sub/file").write_text("mine")
    assert git(site.out, "status", "--porcelain") == " M sub\n"
    git(site.out, "submodule", "update", "--force")
    assert (site.out / "sub/file").read_text() == "sub"


def test_only_what_the_wanted_folder_holds_is_fetched(site: Site) -> None:
    sub = repository(site, "sub", {}, **{"deep/file": "x"})
    repository(site, "top", {"a/sub": ("../sub.git", sub), "b": ("../nowhere.git", sub)})
    site.fetch("/top.git", subdir="a")
    assert (site.out / "sub/file").read_text() == "sub" and told(site) == []
    subprocess.run(["rm", "-r", str(site.out)], check=True)
    site.fetch("/top.git", subdir="a/sub/deep")
    assert os.listdir(site.out) == ["file"]


def test_one_that_cannot_be_had_is_told_and_left_empty(site: Site) -> None:
    sub = repository(site, "sub", {})
    repository(site, "top", {
        "a": ("../nowhere.git", sub), "b": ("../sub.git", "1" * 40), "c": ("../sub.git", sub),
    })  # fmt: skip
    site.fetch("/top.git")
    assert empty(site.out / "a") and empty(site.out / "b")
    assert (site.out / "c/file").exists()
    assert told(site) == [
        "Submodule a was not fetched: The repository was not found or is private.",
        f"Submodule b was not fetched: The ref '{'1' * 40}' was not found.",
    ]
    assert git(site.out, "submodule", "status").splitlines()[0] == f"-{sub} a"


# --- attacks --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/x", "git::ext::id", "fd::17", "file:///etc", "/etc",
        "--upload-pack=touch x", "-u./x", "git://host.org/x", "ssh://-oProxyCommand=x/x",
        "ssh://%2doProxyCommand=x@host.org/x", "ssh://evil.org%2f@host.org/x", "../../../x",
        "http://127.0.0.1:1/x\r", "https://host.org/x\n", "git@host.org:-x",
        "https://host.org/x//sub", "https://host.org/x?ref=y", "",
    ],
)  # fmt: skip
def test_urls_that_would_run_or_read_something_here_are_refused(url: str) -> None:
    with pytest.raises((BadSource, SourceForbidden)):
        resolve(PARENT, url)


def test_a_submodule_of_an_inner_host_is_not_fetched(site: Site) -> None:
    """Nor one by another scheme; a repository that may be fetched says so for itself alone."""
    sub = repository(site, "sub", {})
    with socket.create_server(("127.0.0.2", 0)) as hidden:
        hidden.settimeout(0)
        port = hidden.getsockname()[1]
        repository(site, "top", {
            "a": (f"http://127.0.0.2:{port}/sub.git", sub), "b": (f"http://[::1]:{port}/x", sub),
            "c": ("https://169.254.169.254/x", sub), "d": (f"file://{site.repos}/sub.git", sub),
            "e": (f"ext::sh -c touch% {site.repos}/run", sub), "f": ("git@github.com:o/r", sub),
            "g": (f"http://2130706434:{port}/x", sub),
        })  # fmt: skip
        site.fetch("/top.git")
        with pytest.raises(BlockingIOError):
            hidden.accept()
    assert len(told(site)) == 7 and all(empty(site.out / name) for name in "abcdefg")
    assert not (site.repos / "run").exists()


@pytest.mark.parametrize(
    ("url", "has"),
    [
        ("../x.git", True), ("https://host.org/other/x", True), ("https://HOST.org.:443/x", True),
        ("http://host.org/x", False), ("https://host.org:8443/x", False),
        ("https://host.org.evil.org/x", False), ("https://host.org@evil.org/x", False),
        ("https://evil.org/host.org/x", False),
    ],
)  # fmt: skip
def test_credentials_go_to_the_very_same_server_only(url: str, has: bool) -> None:
    found = resolve(PARENT, url)
    assert ("s3cret" in found.url, "s3cret" in found.public_url) == (has, False)


def test_credentials_of_the_parent_reach_no_other_server(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Seen from the other server, which the very same machine is, by another port."""
    other = Site(tmp_path / "other")
    sub = repository(other, "sub", {})
    repository(site, "sub", {})
    repository(site, "top", {
        "theirs": (f"{other.url}/sub.git", sub), "ours": ("../sub.git", sub),
    })  # fmt: skip
    git(site.repos / "sub.git", "fetch", "-q", str(other.repos / "sub.git"))
    git(site.repos / "sub.git", "config", "uploadpack.allowAnySHA1InWant", "true")
    git(site.repos / "sub.git", "update-ref", "refs/heads/same", "FETCH_HEAD")
    seen: dict[str, set[str | None]] = {}
    real = Handler.do_GET

    def get(self: Handler) -> None:
        port = str(self.server.server_port)
        seen.setdefault(port, set()).add(self.headers.get("Authorization"))
        real(self)

    monkeypatch.setattr(Handler, "do_GET", get)
    monkeypatch.setattr(Handler, "do_POST", get)
    site.fetch("/private/top.git", "me:s3cret@")
    other.close()
    assert told(site) == []
    assert seen[str(other.server.server_port)] == {None}
    assert None not in seen[str(site.server.server_port)]
    for path in site.out.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes()


PATHS = ["../out", "/abs", "a/../../b", ".git/hooks", ".GIT/x", "git~1", "a/.git\u200c/x", "-x",
         "sub\r", "x\x1b[2Jy", ".git /x"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_lead_elsewhere_are_not_entered(site: Site, path: str) -> None:
    """git itself refuses most of them as trees; so this asks who reads ``.gitmodules``."""
    sub = repository(site, "sub", {})
    repository(site, "top", {})
    listed = f'[submodule "s"]\n\tpath = "{path}"\n\turl = ../sub.git\n'
    site.repository("top", {".gitmodules": listed})
    source = parse(f"{site.url}/top.git")
    (tree := site.out).mkdir()
    git(tree, "clone", "-q", str(site.repos / "top.git"), ".")
    commit = git(tree, "rev-parse", "HEAD").strip()
    steps: list[Progress] = []
    before = sorted(site.repos.parent.iterdir())
    rest(tree, steps.append).fetch(source, commit, "")
    assert len(steps) == 1 and "Its path is not allowed" in steps[0].step
    assert steps[0].step.isprintable() and sub
    assert sorted(site.repos.parent.iterdir()) == before
    assert not (tree / ".git/hooks/file").exists()


def test_a_path_through_a_link_is_not_entered(site: Site, canary: Path) -> None:
    """A link is where the folder of the submodule should be: no file is written through it."""
    sub = repository(site, "sub", {})
    top = repository(site, "top", {"a/sub": ("../sub.git", sub)})
    source = parse(f"{site.url}/top.git")
    git(site.repos, "clone", "-q", str(site.repos / "top.git"), str(site.out))
    subprocess.run(["rm", "-r", str(site.out / "a")], check=True)
    (canary / "sub").mkdir()
    (site.out / "a").symlink_to(canary)
    rest(site.out, site.steps.append).fetch(source, top, "")
    assert len(told(site)) == 1 and empty(canary / "sub")


@pytest.mark.parametrize("evil", [
    '[submodule "s"]\n path = sub\n url = ../sub.git\n update = !touch RUN\n',
    '[submodule "../../../x"]\n path = sub\n url = ../sub.git\n',
    '[include]\n path = ../../evil\n[submodule "s"]\n path = sub\n url = ../sub.git\n',
    '[submodule "s"]\n path = sub\n url = ../sub.git\n[core]\n fsmonitor = touch RUN\n'
    ' sshCommand = touch RUN\n hooksPath = .\n',
])  # fmt: skip
def test_what_gitmodules_would_have_run_is_not_run(site: Site, evil: str) -> None:
    """Commands, names that lead out and foreign settings: refused, or of no effect."""
    sub = repository(site, "sub", {}, **{"hooks/post-checkout": "#!/bin/sh\ntouch RUN\n"})
    repository(site, "top", {"sub": ("../sub.git", sub)})
    evil = evil.replace("RUN", str(site.repos / "RUN"))
    site.repository(
        "top", {".gitmodules": evil, "post-checkout": f"#!/bin/sh\ntouch {site.repos}/RUN\n"}
    )
    git(site.repos / "top.git", "update-index", "--add", "--cacheinfo", f"160000,{sub},sub")
    git(site.repos / "top.git", "commit", "-qm", "again", "--allow-empty")
    try:
        site.fetch("/top.git")
    except FetchFailed as error:
        assert error.message == "The repository has objects that are not allowed."
    else:
        settings = (site.out / ".git/config").read_text()
        assert "fsmonitor" not in settings and "touch" not in settings
    assert not (site.repos / "RUN").exists()
    assert site.left() in ([], ["out"])


# --- bounds ---------------------------------------------------------------------------------


def test_the_bounds_hold_for_all_together(site: Site) -> None:
    noise = os.urandom(600_000).hex()
    subs = {}
    for name in ("a", "b", "c"):
        subs[name] = (f"../{name}.git", repository(site, name, {}, noise=noise))
    repository(site, "top", subs)
    site.fetch("/top.git", limits=Limits(30, 20_000_000, 1000))
    subprocess.run(["rm", "-r", str(site.out)], check=True)
    with pytest.raises(SourceTooLarge):
        site.fetch("/top.git", limits=Limits(30, 20_000_000, 60))
    site.steps.clear()
    with pytest.raises(SourceTooLarge):
        site.fetch("/top.git", limits=Limits(30, 4_900_000, 1000))
    # not when all of it is there, but before the one that is too much is unpacked
    assert [step.step for step in site.steps].count("Checking out") == 3
    assert site.left() == []


def test_time_is_one_for_all(site: Site) -> None:
    sub = repository(site, "sub", {})
    repository(site, "top", {f"s{number}": ("../sub.git", sub) for number in range(8)})

    begun = []

    def slow(step: Progress) -> None:
        begun.append(step.step)
        if step.step == "Submodule s1":
            site.delay = 3

    with pytest.raises(FetchTimeout):
        site.fetch("/top.git", limits=Limits(5, 10**7, 999), progress=slow)
    assert "Submodule s1" in begun and "Submodule s4" not in begun
    assert site.left() == []


def test_their_number_and_depth_have_bounds(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submodules, "MOST", 3)
    monkeypatch.setattr(submodules, "DEEPEST", 2)
    last = repository(site, "one", {})
    repository(site, "wide", {f"s{number}": ("../one.git", last) for number in range(6)})
    site.fetch("/wide.git")
    assert [name for name in sorted(os.listdir(site.out)) if (site.out / name / "file").exists()] \
        == ["s0", "s1", "s2"]  # fmt: skip
    assert told(site) == ["Submodule s3 was not fetched: There are too many submodules."]
    subprocess.run(["rm", "-r", str(site.out)], check=True)
    site.steps.clear()
    for name, before in (("two", "one"), ("three", "two"), ("four", "three")):
        last = repository(site, name, {"s": (f"../{before}.git", last)})
    site.fetch("/four.git")
    assert (site.out / "s/s/file").exists() and empty(site.out / "s/s/s")
    assert told(site) == ["Submodule s/s/s was not fetched: There are too many submodules."]


def test_a_repository_that_holds_itself_ends(site: Site) -> None:
    """Each commit names the one before; the URL is always its own."""
    commit = repository(site, "self", {})
    for _ in range(8):
        commit = repository(site, "self", {"s": ("../self.git", commit)})
    site.fetch("/self.git")
    assert (site.out / "s/s/s/s/s/file").exists() and empty(site.out / "s/s/s/s/s/s")
