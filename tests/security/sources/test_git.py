"""git as an attacker would have it: settings, names, words and protocols that do harm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dockbox.errors import BadSource, FetchFailed, StorageFailed
from dockbox.lifecycle.arrival import _progress
from dockbox.sources import Limits, parse
from dockbox.sources.base import Deadline, Progress
from dockbox.sources.git import _sentence
from dockbox.sources.run import Failed, Git, Reader, environment

from ...support.run import ROOT
from ...unit.sources.conftest import Handler, Site
from ...unit.sources.test_git import git
from .test_addresses import FETCH

EVIL = """
[filter "lfs"]
\tsmudge = touch {ran}; cat
\tprocess = touch {ran}
\trequired = true
[core]
\tfsmonitor = touch {ran}
\thooksPath = {hooks}
\tsshCommand = touch {ran}
\taskPass = {hooks}/post-checkout
[init]
\ttemplateDir = {template}
[credential]
\thelper = "!touch {ran}"
[url "file:///nonexistent"]
\tinsteadOf = http://
"""


class Evil:
    """What a server's machine may hold to git's ruin; ``ran`` is there once any of it has run."""

    def __init__(self, folder: Path) -> None:
        self.ran, hooks = folder / "ran", folder / "template/hooks"
        hooks.mkdir(parents=True)
        (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {self.ran}\n")
        (hooks / "post-checkout").chmod(0o755)
        self.etc = folder / "etc"
        self.etc.mkdir()
        text = EVIL.format(ran=self.ran, hooks=hooks, template=folder / "template")
        for name in ("etc/gitconfig", ".gitconfig"):
            (folder / name).write_text(text)
        (folder / "git").mkdir()
        (folder / "git/config").write_text(text)
        (folder / ".netrc").write_text("default login me password s3cret\n")
        ask = str(hooks / "post-checkout")
        self.env = {
            **os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder),
            "GIT_CONFIG_GLOBAL": str(folder / ".gitconfig"), "GIT_ASKPASS": ask,
            "GIT_CONFIG_SYSTEM": str(folder / "etc/gitconfig"), "SSH_ASKPASS": ask,
            "GIT_TEMPLATE_DIR": str(folder / "template"), "GIT_SSH_COMMAND": f"touch {self.ran}",
            "GIT_EXTERNAL_DIFF": ask, "GIT_PAGER": ask, "GIT_EDITOR": ask, "GIT_PROXY_COMMAND": ask,
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "filter.lfs.smudge",
            "GIT_CONFIG_VALUE_0": f"touch {self.ran}; cat",
        }  # fmt: skip

    def fetch(self, url: str, out: Path, system: bool = False) -> str:
        """What became of ``url`` in a server with all that around it, maybe in ``/etc``, too."""
        command = [sys.executable, "-c", FETCH, url, str(out), "", "127.0.0.1/32"]
        if system:
            layer = f"mount -t overlay none -o lowerdir={self.etc}:/etc /etc"
            command = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c",
                       f'{layer} && exec "$@"', "sh", *command]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT,
                              timeout=60, env=self.env)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def evil(tmp_path: Path) -> Evil:
    (tmp_path / "home").mkdir()
    return Evil(tmp_path / "home")


@pytest.mark.parametrize("system", [False, True])
def test_no_settings_hooks_or_filters_of_the_machine_are_used(
    site: Site, evil: Evil, system: bool
) -> None:
    site.repository("r", {".gitattributes": "* filter=lfs diff=lfs merge=lfs\n", "a.bin": "x"})
    assert '"fetched"' in evil.fetch(f"{site.url}/r.git", site.out, system)
    assert (site.out / "a.bin").read_text() == "x" and not evil.ran.exists()
    assert not (site.out / ".git/hooks").exists()


def test_nobody_is_asked_for_a_password(
    site: Site, evil: Evil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host lets us look, and asks git itself: no prompt, no helper, no password of a file."""
    site.repository("r", {"a": "1"})
    sent = []
    real = Handler.do_GET

    def get(self: Handler) -> None:
        if "dockbox" in (self.headers.get("User-Agent") or ""):
            return real(self)
        sent.append(self.headers.get("Authorization"))
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        return self.end_headers()

    monkeypatch.setattr(Handler, "do_GET", get)
    monkeypatch.setattr(Handler, "do_POST", get)
    assert "not found or is private" in evil.fetch(f"{site.url}/r.git", site.out)
    assert sent and set(sent) == {None} and not evil.ran.exists()


@pytest.mark.parametrize(
    "url", ["ext::sh -c touch% ran", "fd::0", "file://{repos}/r.git", "git://127.0.0.1/r.git",
            "{repos}/r.git", "http://127.0.0.1:1/r.git"],
)  # fmt: skip
def test_git_itself_speaks_no_other_protocol_than_that_of_the_source(site: Site, url: str) -> None:
    """Should one ever get past the reading of URLs."""
    site.repository("r", {"a": "1"})
    runner = Git(site.repos, environment({}, "https", None), Limits(9, 9, 9), print, Deadline(9))
    with pytest.raises(Failed, match="not allowed"):
        runner.run(["ls-remote", "--", url.format(repos=site.repos)])
    assert not (site.repos / "ran").exists()


# --- names ----------------------------------------------------------------------------------

NAMES = [".git", ".GIT", ".Git", "git~1", "GIT~1", ".git ", ".git.", ".git\u200c", ".gi\u200dt",
         ".git::$INDEX_ALLOCATION", "..", "."]  # fmt: skip


def entry(work: Path, lines: str) -> str:
    made = subprocess.run(["git", "mktree"], cwd=work, input=lines, text=True, check=True,
                          capture_output=True)  # fmt: skip
    return made.stdout.strip()


@pytest.mark.parametrize("name", NAMES)
def test_a_tree_with_a_git_folder_of_its_own_is_refused(site: Site, name: str) -> None:
    """Settings and hooks of the other side's, where some file system takes the name for .git."""
    site.repository("r", {"config": "[core]\n\tfsmonitor = touch ran\n"})
    work = site.repos / "r.git"
    blob = git(work, "rev-parse", "HEAD:config").strip()
    inner = entry(work, f"100644 blob {blob}\tconfig\n")
    top = entry(work, f"040000 tree {inner}\t{name}\n")
    git(work, "update-ref", "refs/heads/trunk", git(work, "commit-tree", "-m", "x", top).strip())
    with pytest.raises(FetchFailed, match="objects that are not allowed"):
        site.fetch("/r.git")
    assert site.left() == []


@pytest.mark.parametrize("name", [".git", ".gitmodules", ".GITMODULES"])
def test_a_link_in_the_place_of_gits_own_files_is_refused(site: Site, name: str) -> None:
    site.repository("r", {"to": "../../out"})
    work = site.repos / "r.git"
    blob = git(work, "rev-parse", "HEAD:to").strip()
    top = entry(work, f"120000 blob {blob}\t{name}\n")
    git(work, "update-ref", "refs/heads/trunk", git(work, "commit-tree", "-m", "x", top).strip())
    with pytest.raises(FetchFailed, match="objects that are not allowed"):
        site.fetch("/r.git")
    assert site.left() == []


def test_a_branch_called_like_an_option_is_not_taken(site: Site) -> None:
    site.repository("r", {"a": "1"})
    work = site.repos / "r.git"
    git(work, "update-ref", "refs/heads/--upload-pack=touch", "HEAD")
    git(work, "symbolic-ref", "HEAD", "refs/heads/--upload-pack=touch")
    assert site.fetch("/r.git").ref == "HEAD"
    for ref in ("--upload-pack=touch", "refs/heads/--upload-pack=touch", "-x", "refs/tags/-x"):
        with pytest.raises(BadSource):
            parse(f"{site.url}/r.git", ref=ref)


@pytest.mark.parametrize(
    "text", ["a\x1b[2J", "a\nb", "a\u202eb", "a\u2028b", "a\x9b31m", "a\u200b", "a\ud800"]
)
def test_what_a_terminal_would_obey_is_in_no_ref_and_no_folder(text: str) -> None:
    """They are shown in sentences."""
    for given in ({"ref": text}, {"subdir": text}):
        with pytest.raises(BadSource):
            parse("https://x.org/r.git", **given)


# --- words ----------------------------------------------------------------------------------


def told(text: str) -> tuple[Progress | None, list[str]]:
    """The progress and the lines of git's own that a reader finds in ``text``."""
    read, write = os.pipe()
    reader = Reader(os.fdopen(read, encoding="utf-8", errors="replace"), 0)
    with open(write, "w", encoding="utf-8") as pipe:
        pipe.write(text)
    reader.thread.join(10)
    assert not reader.thread.is_alive()
    return reader.progress, list(reader.lines)


@pytest.mark.parametrize(
    "line",
    [
        "remote: Counting objects: 5% (1/2), 1.2.3 MiB", f"remote: Counting objects: {'9' * 4000}%",
        "remote: Counting objects: ٣%", f"Counting objects: 5%, {'9' * 400} GiB",
        "remote: Evil words: 5%", "remote: \x1b[2JCounting objects: 5%", "Counting\x1b objects: 5%",
    ],
)  # fmt: skip
def test_progress_of_the_other_side_is_gits_own_words_and_numbers(line: str) -> None:
    progress, _ = told(f"{line}\nReceiving objects:  50% (1/2), 1.50 MiB | 1 MiB/s\n")
    assert progress == Progress("Receiving objects", 50, 3 * 2**19)
    progress, _ = told(line + "\n")
    assert progress is None or progress.step == "Counting objects"
    assert progress is None or (progress.percent or 0) < 1000


def test_a_long_line_of_the_other_side_does_not_become_gits() -> None:
    for end in ("No space left on device", "fatal: not found"):
        _, lines = told("remote: " + "x" * 20_000 + f"\x1b[2J{end}\nfatal: gits own\n")
        assert lines == ["fatal: gits own\n"]
    _, lines = told("fatal: gits own " + "x" * 9000 + "\nremote: x\n")
    assert "".join(lines) == "fatal: gits own " + "x" * 9000 + "\n"


def test_an_error_of_the_other_side_in_two_lines_is_no_error_of_the_disk(tmp_path: Path) -> None:
    runner = Git(tmp_path, environment({}, "https", None), Limits(9, 9, 9), print, Deadline(9))
    words = "fatal: remote error: a\nNo space left on device"
    with pytest.raises(Failed):
        runner.run(["-c", f"alias.x=!echo '{words}' >&2; exit 1; :", "x"])
    with pytest.raises(StorageFailed):
        runner.run(["-c", "alias.x=!echo 'fatal: No space left on device' >&2; exit 1; :", "x"])


@pytest.mark.parametrize("words", ["<b>\x1b]0;evil\x07", "not found \x1b[2J", "certificate \x9b"])
def test_no_word_of_git_is_ever_shown(words: str) -> None:
    said = _sentence(words, parse("https://x.org/r.git"))
    assert said.isprintable() and "evil" not in said and "<" not in said


def test_a_terminal_is_shown_no_control_characters_of_a_step() -> None:
    step = {"step": "Pulling \x1b[2J\x9b31m\r\nx\u202e", "percent": 5, "bytes": 2**20}
    shown = _progress({"progress": step}).decode()
    assert shown.startswith("\r\x1b[K") and shown.removeprefix("\r\x1b[K").isprintable()
