"""In a process that gevent patched: deadlines hold, and no source keeps the hub from the others.

Each test runs a script in such a process, against a server that lives in this one.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from .conftest import Site
from .test_archive import member, tar
from .test_git import git

SETUP = """
from gevent import monkey; monkey.patch_all()
import gevent, os, pathlib, socket, sys, time
from dockbox.errors import *
from dockbox.sources import *
from dockbox.sources import files
out = pathlib.Path(sys.argv[1])
LOCAL = Policy(("127.0.0.1/32",))

def run(url, timeout=1.0, report=lambda step: None, **kw):
    limits = Limits(timeout, 10**8, 10**5)
    return fetch(parse(url, **kw), out, limits, LOCAL, report)

gap = 0.0  # CPU seconds in which nobody else had a turn: a busy machine must not matter
def tick():
    global gap
    while True:
        before = time.thread_time()
        gevent.sleep(0.01)
        gap = max(gap, time.thread_time() - before)

def check(url, error, timeout=1.0, longest=0.5):
    ticker = gevent.spawn(tick)
    gevent.sleep(0.02)
    began = time.monotonic()
    try:
        run(url, timeout)
    except error as caught:
        print(type(caught).__name__, caught)
    else:
        sys.exit("no error")
    took = time.monotonic() - began
    assert took < timeout + 10, took  # by far less than those servers go on
    assert gap < longest, gap
    assert not os.listdir(out.parent), os.listdir(out.parent)
"""


def script(tmp_path: Path, text: str) -> str:
    folder = tmp_path / "mount"
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", SETUP + text, str(folder / "box")],
        check=False, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
    return done.stdout


Serve = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that hands each connection, its request unread, to a function."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def start(talk: Callable[[socket.socket], None]) -> str:
            def one(client: socket.socket) -> None:
                with closing(client), suppress(OSError):
                    talk(client)

            def loop() -> None:
                with suppress(OSError):
                    while True:
                        client, _ = listener.accept()
                        threading.Thread(target=one, args=(client,), daemon=True).start()

            threading.Thread(target=loop, daemon=True).start()
            return f"127.0.0.1:{listener.getsockname()[1]}"

        yield start
        listener.shutdown(socket.SHUT_RDWR)


def silent(client: socket.socket) -> None:
    client.settimeout(30)
    while client.recv(1024):
        pass


def drip(*pieces: bytes, pause: float = 0.05) -> Callable[[socket.socket], None]:
    def talk(client: socket.socket) -> None:
        client.sendall(pieces[0])
        for _ in range(400):
            client.sendall(pieces[-1])
            time.sleep(pause)

    return talk


def flood(start: bytes, block: bytes) -> Callable[[socket.socket], None]:
    def talk(client: socket.socket) -> None:
        client.sendall(start)
        many = block * (2**18 // len(block))
        while True:
            client.sendall(many)

    return talk


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TALKS = {
    "says nothing": silent,
    "drips a status": drip(b"HTTP/1.1 200 O", b"K"),
    "drips headers": drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "drips a body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nPK\x03\x04", b"x"),
    "floods interim answers": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "floods tiny chunks": flood(CHUNKED, b"1\r\n\x1f\r\n1\r\n\x8b\r\n1\r\nx\r\n"),
    "floods trailers": flood(CHUNKED + b"4\r\nPK\x03\x04\r\n0\r\n", b"a: b\r\n"),
}


@pytest.mark.parametrize("talk", TALKS)
@pytest.mark.parametrize("name", ["x.zip", "x.git"])
def test_servers_that_do_not_end(tmp_path: Path, serve: Serve, talk: str, name: str) -> None:
    script(tmp_path, f"check('http://{serve(TALKS[talk])}/{name}', FetchFailed)")


def test_tls_that_drips(tmp_path: Path, serve: Serve) -> None:
    # the beginning of a record of 16 kB
    url = serve(drip(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"x"))
    out = script(tmp_path, f"check('https://{url}/x.zip', FetchFailed)")
    assert "FetchTimeout" in out


def test_dead_host(tmp_path: Path) -> None:
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))  # and does not listen, nor does anybody else there
        port = gone.getsockname()[1]
        out = script(tmp_path, f"check('http://127.0.0.1:{port}/x.git', FetchFailed)")
    assert "cannot be reached" in out


def test_git_that_hangs(tmp_path: Path, serve: Serve) -> None:
    """The first answer is good; git itself then waits for one that never comes."""
    asked = []

    def talk(client: socket.socket) -> None:
        asked.append(client.recv(4096))
        if len(asked) == 1:
            kind = b"application/x-git-upload-pack-advertisement"
            refs = b"003e" + b"a" * 40 + b" refs/heads/main\0\n" + b"0000"
            client.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n" + refs)
        else:
            silent(client)

    script(tmp_path, f"check('http://{serve(talk)}/x.git', FetchTimeout, timeout=5)")
    assert len(asked) == 2


def test_names_that_nobody_resolves(tmp_path: Path) -> None:
    """They end in time, and the names of others are found meanwhile."""
    script(
        tmp_path,
        """
real = socket.getaddrinfo
def hang(host, *args, **kw):
    if host != "slow.example.org":
        return real(host, *args, **kw)
    time_sleep(40)
    return []
time_sleep = monkey.get_original("time", "sleep")
monkey.saved["socket"]["getaddrinfo"] = hang
jobs = [gevent.spawn(fetch, parse("https://slow.example.org/x.git"),
                     out.with_name(str(n)), Limits(1, 9, 9), LOCAL, print) for n in range(20)]
gevent.sleep(0.3)
began = time.monotonic()
socket.getaddrinfo("localhost", 80)
gevent.joinall(jobs)
assert time.monotonic() - began < 20  # and those that hang do so for twice as long
assert {type(job.exception) for job in jobs} == {FetchTimeout}
os._exit(0)
""".replace("jobs = [", "sys.stderr = open(os.devnull, 'w'); jobs = ["),
    )


def test_files_are_removed_off_the_hub(tmp_path: Path) -> None:
    script(
        tmp_path,
        """
(out.with_name(".box.fetch") / "tree").mkdir(parents=True)  # what a crashed fetch left
rmdir, wait = os.rmdir, monkey.get_original("time", "sleep")
def slow(*args, **kw):
    wait(0.7)
    rmdir(*args, **kw)
os.rmdir = slow
check("http://127.0.0.1:1/x.git", FetchFailed, timeout=9)
""",
    )


@pytest.mark.parametrize("name", ["x.tar", "r.git"])
def test_a_kill_at_any_step_leaves_nothing(site: Site, tmp_path: Path, name: str) -> None:
    """Killed after ever longer waits, twice in a row, until some come through."""
    site.files["/x.tar"] = tar(*(member(f"top/{number}") for number in range(300)))
    work = site.repos / "r.git"
    work.mkdir()
    (work / "file").touch()
    git(work, "init", "-q")
    git(work, "add", ".")
    git(work, "commit", "-qm", "x")
    script(
        tmp_path,
        f"""
def inside(link):
    try:
        return os.readlink(link).startswith(str(out.parent))
    except OSError:
        return False

done = kills = wait = 0
while done < 3:
    job = gevent.spawn(run, "http://{site.netloc}/{name}", 30)
    gevent.sleep(wait)
    wait = wait * 1.1 + 0.002  # by tenths: a slow machine has to come to the end too
    job.kill(block=False)
    gevent.sleep(0)
    job.kill()
    for _ in range(1000):  # whoever was killed may take a moment to be gone
        left = [p for p in pathlib.Path("/proc").glob("[0-9]*/cwd") if inside(p)]
        if not left:
            break
        time.sleep(0.01)
    assert not left, left
    if isinstance(job.value, gevent.GreenletExit):
        kills += 1
        assert not os.listdir(out.parent), (wait, os.listdir(out.parent))
    else:
        done += 1
        assert job.value, job.exception
        files.remove(out)
assert kills > 5
""",
    )
