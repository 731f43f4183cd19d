"""Repositories and archives that are odd, or made to harm."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import threading
from contextlib import closing
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dockbox.errors import BadSource, FetchFailed, SourceTooLarge, StorageFailed
from dockbox.sources import Limits, Policy, fetch, parse
from dockbox.sources.base import Deadline
from dockbox.sources.git import _choose
from dockbox.sources.run import Failed, Git, environment

from ...unit.sources.conftest import Handler, Site
from ...unit.sources.test_git import git


def commit(work: Path, **files: bytes) -> None:
    work.mkdir(exist_ok=True)
    git(work, "init", "-q", ".")
    for name, content in files.items():
        (work / name).write_bytes(content)
    git(work, "add", ".")
    git(work, "commit", "-qm", "x")


def test_tree_bomb(site: Site) -> None:
    """Trees that refer to each other: 10^9 files in a few hundred bytes."""
    work = site.repos / "r.git"
    commit(work, file=b"x")
    sha, kind = git(work, "rev-parse", "HEAD:file").strip(), "100644 blob"
    for _ in range(9):
        lines = "".join(f"{kind} {sha}\t{name}\n" for name in "abcdefghij")
        made = subprocess.run(["git", "mktree"], cwd=work, input=lines, text=True,
                              capture_output=True, check=True)  # fmt: skip
        sha, kind = made.stdout.strip(), "040000 tree"
    top = git(work, "commit-tree", "-m", "x", sha).strip()
    git(work, "branch", "bomb", top)
    with pytest.raises(SourceTooLarge):
        site.fetch("/r.git", ref="bomb", limits=Limits(20, 10**8, 10**5))
    assert site.left() == []


def test_contents_of_git(site: Site) -> None:
    """Links are kept, submodules, filters and hooks are not run, odd names and binaries are."""
    work = site.repos / "r.git"
    work.mkdir()
    (work / "link").symlink_to("/etc")
    (work / "ünï").write_bytes(bytes(range(256)))
    commit(work, **{
        "a\nb": b"x", "run.sh": b"#!", "big.bin": b"version https://git-lfs.github.com/spec/v1\n",
        ".gitattributes": b"*.bin filter=lfs\n",
        ".gitmodules": b'[submodule "s"]\npath = s\nurl = http://' + site.netloc.encode() + b"/s\n",
    })  # fmt: skip
    (work / "run.sh").chmod(0o755)
    git(work, "update-index", "--add", "--cacheinfo", "160000," + "1" * 40 + ",s")
    git(work, "commit", "-qm", "y")
    site.fetch("/r.git")
    assert os.readlink(site.out / "link") == "/etc"
    assert (site.out / "a\nb").read_bytes() == b"x" and os.listdir(site.out / "s") == []
    assert (site.out / "ünï").stat().st_size == 256
    assert not (site.out / ".git/hooks").exists() and not (site.out / ".git/modules").exists()
    for path in site.out.rglob("*"):
        mode = path.lstat().st_mode
        assert not mode & 0o6000 and (not stat.S_ISDIR(mode) or mode & 0o700 == 0o700)
    subprocess.run(["rm", "-r", str(site.out)], check=True)
    with pytest.raises(BadSource):
        site.fetch("/r.git", subdir="link")
    assert site.left() == []


def test_head_is_the_default_branch(site: Site) -> None:
    commit(site.repos / "r.git", file=b"x")
    assert site.fetch("/r.git", ref="HEAD").ref == "trunk"
    assert git(site.out, "branch", "--show-current").strip() == "trunk"


def test_default_branch_of_an_evil_server() -> None:
    refs = {"": "refs/heads/a:b", "refs/heads/a:b": "1", "refs/heads/good": "2"}
    assert _choose(refs, None) == "refs/heads/good"
    assert _choose({"refs/heads/a b": "1"}, None) is None


@pytest.mark.parametrize("ref", ["FETCH_HEAD", "é" * 200, "refs/heads/nope", "heads"])
def test_refs_that_are_not_there(site: Site, ref: str) -> None:
    commit(site.repos / "r.git", file=b"x")
    with pytest.raises(FetchFailed, match=f"The ref '{ref}' was not found"):
        site.fetch("/r.git", ref=ref)


def test_words_of_the_other_side_are_not_ours(tmp_path: Path) -> None:
    """A server that says that the disk is full is no reason to answer 503.  Bounds hold."""
    env = environment({}, "https", None)
    runner = Git(tmp_path, env, Limits(9, 9, 9), lambda step: None, Deadline(9))
    for words, error in (
        ("remote: No space left on device", Failed),
        ("fatal: remote error: No space left on device", Failed),
        ("fatal: write error: No space left on device", StorageFailed),
    ):
        with pytest.raises(error):
            runner.run(["-c", f"alias.x=!echo '{words}' >&2; exit 1; :", "x"])
    assert runner.run(["-c", "alias.x=!ulimit -c; ulimit -d; :", "x"]).split() == ["0", "2097152"]


def test_proxies_of_the_environment_are_ignored(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "GIT_PROXY_COMMAND"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'http.proxy=http://127.0.0.1:1'")
    commit_env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    work = site.repos / "r.git"
    work.mkdir()
    (work / "file").touch()
    who = ["-c", "user.name=x", "-c", "user.email=x@x"]
    for args in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", *args], cwd=work, check=True, env=commit_env)
    real = Handler.backend

    def backend(self: Handler, root: Path, path: str, query: str) -> None:
        for key in [key for key in os.environ if key.startswith("GIT_")]:
            monkeypatch.delenv(key)
        real(self, root, path, query)

    monkeypatch.setattr(Handler, "backend", backend)
    assert site.fetch("/r.git").commit


class Six(ThreadingHTTPServer):
    address_family = socket.AF_INET6


@pytest.mark.parametrize("host", ["[::1]", "six.example.org"])
def test_ipv6(site: Site, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a first address that nobody listens at."""
    commit(site.repos / "r.git", file=b"x")
    try:
        server = Six(("::1", 0), Handler)
    except OSError:
        pytest.skip("no IPv6 here")
    server.site = site  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    real = socket.getaddrinfo

    def getaddrinfo(name: str, *args: Any, **kw: Any) -> list[Any]:
        if name == "six.example.org":
            return [(0, 0, 0, "", (address, 0)) for address in ("127.0.0.77", "::1")]
        return list(real(name, *args, **kw))

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with closing(server.socket):
        source = parse(f"http://{host}:{server.server_port}/r.git")
        policy = Policy(("127.0.0.77/32", "::1/128"))
        assert fetch(source, site.out, Limits(20, 10**7, 999), policy, print).commit
        server.shutdown()


@pytest.mark.parametrize(
    "text",
    ["https://x.org/\ud800", "https://x.org/\u202er", "git@x.org:\ud800", "https://x.org/a\u2028"],
)
def test_text_that_no_database_takes(text: str) -> None:
    with pytest.raises(BadSource):
        parse(text)


def test_spaces_and_former_gitlab_pages() -> None:
    assert parse("https://x.org/r.git//my%20dir").subdir == "my dir"
    with pytest.raises(BadSource):
        parse("https://x.org/r.git//%2e%2e/x")
    got = parse("https://gitlab.com/g/s/r/tree/main/d")
    assert (got.public_url, got.ref, got.subdir) == ("https://gitlab.com/g/s/r", "main", "d")
