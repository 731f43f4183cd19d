"""git against a real git http-backend."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dockbox.errors import (
    BadSource,
    FetchFailed,
    FetchTimeout,
    SourceForbidden,
    SourceTooLarge,
)
from dockbox.sources import Limits, fetch, parse

from .conftest import LOOPBACK, Site


def git(where: Path, *args: str) -> str:
    who = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "init.defaultBranch=trunk"]
    command = ["git", *who, *args]
    return subprocess.run(command, cwd=where, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repo(site: Site) -> dict[str, str]:
    work = site.repos / "r.git"
    work.mkdir()
    git(work, "init", "-q", ".")
    shas = {}
    for name in ("first", "tagged", "feature", "pull", "trunk"):
        (work / "dir").mkdir(exist_ok=True)
        (work / "dir/file").write_text(name)
        git(work, "add", ".")
        git(work, "commit", "-qm", name)
        shas[name] = git(work, "rev-parse", "HEAD").strip()
    git(work, "tag", "-a", "-m", "v1", "v1", shas["tagged"])
    git(work, "branch", "feature/a", shas["feature"])
    git(work, "update-ref", "refs/pull/1/head", shas["pull"])
    git(site.repos, "init", "-q", "--bare", "empty.git")
    return shas


@pytest.mark.parametrize(
    ("ref", "which", "shown"),
    [(None, "trunk", "trunk"), ("trunk", "trunk", "trunk"), ("feature/a", "feature", "feature/a"),
     ("v1", "tagged", "v1"), ("refs/pull/1/head", "pull", "refs/pull/1/head"),
     ("refs/heads/feature/a", "feature", "feature/a")],
)  # fmt: skip
def test_refs(site: Site, repo: dict[str, str], ref: str | None, which: str, shown: str) -> None:
    got = site.fetch("/r.git", ref=ref)
    assert (got.commit, got.ref) == (repo[which], shown)
    assert (site.out / "dir/file").read_text() == which
    assert git(site.out, "log", "-1", "--format=%s").strip() == which
    assert git(site.out, "status", "--porcelain") == ""
    if shown in ("trunk", "feature/a"):
        assert git(site.out, "branch", "--show-current").strip() == shown
        git(site.out, "commit", "--allow-empty", "-qm", "more")
    assert site.left() == ["out"]


@pytest.mark.parametrize("length", [40, 10])
def test_commit(site: Site, repo: dict[str, str], length: int) -> None:
    assert site.fetch("/r.git", ref=repo["first"][:length]).commit == repo["first"]
    assert (site.out / "dir/file").read_text() == "first"


@pytest.mark.parametrize("ref", ["nope", "refs/pull/9/head", "b" * 40, "bbbbbbb"])
def test_wrong_ref(site: Site, repo: dict[str, str], ref: str) -> None:
    with pytest.raises(FetchFailed, match=f"The ref '{ref}' was not found"):
        site.fetch("/r.git", ref=ref)
    assert site.left() == []


def test_page_with_slashes_in_the_ref(site: Site, repo: dict[str, str]) -> None:
    got = site.fetch("/r.git/-/tree/feature/a/dir")
    assert (got.commit, got.ref) == (repo["feature"], "feature/a")
    assert os.listdir(site.out) == ["file"]


def test_subdir(site: Site, repo: dict[str, str]) -> None:
    with pytest.raises(BadSource):
        site.fetch("/r.git", subdir="nope")
    site.fetch("/r.git", subdir="dir")
    assert os.listdir(site.out) == ["file"]


def test_empty_repository(site: Site, repo: dict[str, str]) -> None:
    assert site.fetch("/empty.git").commit is None
    assert os.listdir(site.out) == [".git"]


def test_unknown_kind_is_probed(site: Site, repo: dict[str, str]) -> None:
    (site.repos / "plain").symlink_to("r.git")
    assert parse(f"http://{site.netloc}/plain").kind == "http"
    assert site.fetch("/plain").commit == repo["trunk"]


def test_credentials_stay_out(site: Site, repo: dict[str, str]) -> None:
    with pytest.raises(FetchFailed, match="not found or is private"):
        site.fetch("/private/r.git")
    site.fetch("/private/r.git", "me:s3cret@")
    for path in site.out.rglob("*"):
        assert not path.is_file() or b"s3cret" not in path.read_bytes()
    url = git(site.out, "remote", "get-url", "origin").strip()
    assert url == f"http://{site.netloc}/private/r.git"


def test_redirects(site: Site, repo: dict[str, str]) -> None:
    site.redirects = {"/moved": "/r", "/evil": "http://169.254.169.254/r"}
    assert site.fetch("/moved.git").commit == repo["trunk"]
    subprocess.run(["rm", "-r", str(site.out)], check=True)
    with pytest.raises(SourceForbidden):
        site.fetch("/evil.git")
    assert site.left() == []


def test_missing(site: Site) -> None:
    with pytest.raises(FetchFailed, match="not found or is private"):
        site.fetch("/nope.git")


def test_bounds_leave_nothing(site: Site, repo: dict[str, str]) -> None:
    work = site.repos / "r.git"
    (work / "big").write_bytes(os.urandom(3_000_000))
    git(work, "add", ".")
    git(work, "commit", "-qm", "big")
    for limits in (Limits(20, 2_000_000, 1000), Limits(20, 10**8, 3)):
        with pytest.raises(SourceTooLarge):
            site.fetch("/r.git", limits=limits)
    with pytest.raises(FetchTimeout):
        site.fetch("/r.git", limits=Limits(0.05, 10**8, 1000))
    assert site.left() == []


def test_ssh_needs_a_key(site: Site) -> None:
    source = parse("git@github.com:o/r.git")
    with pytest.raises(SourceForbidden):
        fetch(source, site.out, Limits(5, 10**6, 100), LOOPBACK, site.steps.append)


def test_target_must_be_empty(site: Site, repo: dict[str, str]) -> None:
    site.out.mkdir()
    site.fetch("/r.git")
    with pytest.raises(BadSource):
        site.fetch("/r.git")
    assert (site.out / "dir/file").exists()


def test_under_gevent(site: Site, repo: dict[str, str], tmp_path: Path) -> None:
    """A patched process fetches, and a killed greenlet leaves nothing."""
    script = f"""
from gevent import monkey; monkey.patch_all()
import gevent, pathlib
from dockbox.sources import *
out = pathlib.Path({str(site.out)!r})
source = parse("http://{site.netloc}/r.git")
run = lambda report: fetch(source, out, Limits(20, 10**7, 999), Policy(("127.0.0.1/32",)), report)
job = gevent.spawn(run, lambda step: gevent.sleep(9))
gevent.sleep(0.3); job.kill()
assert not out.exists() and not (out.parent / ".out.fetch").exists()
print(gevent.spawn(run, print).get().commit)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert repo["trunk"] in done.stdout, done.stderr
