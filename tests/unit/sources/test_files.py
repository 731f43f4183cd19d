"""Files on the mount: removed whatever they are, measured and entered without following links."""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dockbox.errors import BadSource, StorageFailed
from dockbox.sources import Limits
from dockbox.sources.files import inside, measure, remove

from .conftest import Site
from .test_archive import member, tar


def as_nobody(work: Callable[[], bool]) -> bool:
    """Run ``work`` as a user who owns nothing, where this is root."""
    if os.geteuid():
        return work()
    pid = os.fork()
    if not pid:
        code = 2
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            code = 0 if work() else 1
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, 1)
    return status == 0


def open_way(folder: Path) -> None:
    """Let everybody through to ``folder``: to the folders that are pytest's own."""
    above = Path(tempfile.gettempdir())
    for parent in (folder, *folder.parents):
        if above in parent.parents:
            parent.chmod(0o777)


def test_remove_goes_past_permissions(tmp_path: Path) -> None:
    """Folders that their owner, no root, may not enter, list or write."""
    tree = tmp_path / "tree"
    for mode in (0, 0o555, 0o333):
        folder = tree / str(mode) / "inner"
        folder.mkdir(parents=True)
        (folder / "file").touch(0)
        (folder / "sub/sub").mkdir(parents=True)
        (folder / "sub").chmod(mode)
        folder.chmod(mode)
        folder.parent.chmod(mode)
    if not os.geteuid():
        subprocess.run(["chown", "-R", "65534:65534", str(tree)], check=True)
    open_way(tmp_path)
    assert as_nobody(lambda: remove(tree))
    assert not tree.exists()


def test_remove_tells_what_withstood(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("needs files of another user")
    tree = tmp_path / "tree"
    (tree / "kept").mkdir(parents=True)
    (tree / "kept/file").touch()
    (tree / "file").touch()
    os.chown(tree, 65534, 65534)
    open_way(tmp_path)
    assert not as_nobody(lambda: remove(tree))
    assert os.listdir(tree) == ["kept"]
    assert remove(tree) and remove(tree)


def test_remove_and_measure_deep_trees(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    home = os.getcwd()
    os.chdir(tree)
    try:
        for _ in range(5000):
            os.mkdir("d")
            os.chdir("d")
        Path("file").touch()
    finally:
        os.chdir(home)
    try:
        assert measure(tree)[1] > 1000
        assert remove(tree)
        assert os.listdir(tmp_path) == []
    finally:
        subprocess.run(["rm", "-rf", str(tree)], check=True)  # more than pytest could clean up


def test_remove_odd_names_and_links(tmp_path: Path) -> None:
    tree, kept = tmp_path / "tree", tmp_path / "kept"
    (tree / "d").mkdir(parents=True)
    kept.mkdir()
    (kept / "file").touch()
    for name in (b"\xff\xfe", b"a\nb", b"-rf", b" ", b"\xf0\x9f\x90\xb3"):
        with open(os.fsencode(tree / "d") + b"/" + name, "w"):
            pass
    (tree / "d/link").symlink_to(kept)
    (tree / "link").symlink_to(kept)
    os.mkfifo(tree / "fifo")
    assert measure(tree) == (sum(len(str(kept)) for _ in range(2)), 9)
    assert remove(tree)
    link = tmp_path / "link"
    link.symlink_to(kept)
    assert remove(link)
    assert os.listdir(tmp_path) == ["kept"] and os.listdir(kept) == ["file"]


@pytest.mark.parametrize("part", ["nope", "link", "file", "link/x", "d/" + "x" * 300])
def test_inside(tmp_path: Path, part: str) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("d")
    with pytest.raises(BadSource):
        inside(tmp_path, part)
    assert inside(tmp_path, "d") == tmp_path / "d"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A mount of 1 MB."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "r.git", "checkout.git"])
@pytest.mark.parametrize("read_only", [False, True])
def test_full_or_read_only_disk(site: Site, small: Path, name: str, read_only: bool) -> None:
    """Full while downloading, unpacking, fetching, checking out."""
    random, plain = os.urandom(1_500_000), b"x" * 1_500_000
    site.files["/x.tar"] = tar(member("a"), data=random)
    site.files["/x.tar.gz"] = tar(member("a"), data=plain, mode="w:gz")
    for repo, content in (("r.git", random), ("checkout.git", plain)):
        work = site.repos / repo
        work.mkdir()
        (work / "a").write_bytes(content)
        who = ["-c", "user.name=x", "-c", "user.email=x@x"]
        for args in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "x"]):
            subprocess.run(["git", *args], cwd=work, check=True)
    site.out = small / "box"
    if read_only:
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with pytest.raises(StorageFailed) as caught:
        site.fetch("/" + name, limits=Limits(20, 10**8, 100))
    assert caught.value.status == 503 and str(small) not in caught.value.message
    assert os.listdir(small) == []


def test_what_a_crash_left_is_replaced(site: Site) -> None:
    left = site.out.with_name(".out.fetch")
    (left / "tree/d").mkdir(parents=True)
    (left / "download").write_bytes(b"half")
    site.files["/x.tar"] = tar(member("a"))
    site.fetch("/x.tar")
    assert site.left() == ["out"] and os.listdir(site.out) == ["a"]


def test_system_errors_tell_no_paths(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/secret/path")

    site.files["/x.tar"] = tar(member("a"))
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(StorageFailed) as caught:
        site.fetch("/x.tar")
    assert "secret" not in str(caught.value) and site.left() == []
