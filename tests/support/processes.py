"""Processes by what /proc says, programs by name, free ports."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import cycle, islice
from pathlib import Path

from .waiting import eventually

PORTS, BLOCK = range(10_000, 32_000), 500  # below those that the kernel gives to anybody
# dockerd and initdb are where the PATH of an ordinary user does not look
SEARCH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


class Missing(Exception):
    """Something that the tests need is not on this machine; says what is to be done."""


def program(name: str, package: str) -> str:
    found = shutil.which(name, path=SEARCH)
    if found is None:
        raise Missing(f"{name} is missing: apt-get install {package} (`make test` does)")
    return found


def need_root(what: str) -> None:
    if os.geteuid() != 0:
        raise Missing(f"{what} needs root; without: .venv/bin/python -m pytest tests/unit")


def free_port() -> int:
    """Of loopback.  Nobody else's, be it minutes until somebody listens there."""
    for port in islice(_own_ports()[1], BLOCK):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise Missing("no port of this process is free")


@cache
def _own_ports() -> tuple[socket.socket, Iterator[int]]:
    """A block's first port, held as long as this process lives, and the others, for ever."""
    for first in PORTS[::BLOCK]:
        held = socket.socket()
        with contextlib.suppress(OSError):
            held.bind(("127.0.0.1", first))
            return held, cycle(range(first + 1, first + BLOCK))
        held.close()
    raise Missing("no block of ports is free")


def launch(
    command: list[str], log: Path, env: Mapping[str, str], cwd: Path | None = None, user: str = "",
    files: Sequence[int] = (),
) -> subprocess.Popen[bytes]:  # fmt: skip
    """Start ``command``, its output appended to ``log``; it inherits the open ``files``.

    In a session of its own, so that Ctrl-C reaches pytest only and the order of ending is ours.
    """
    switch = {"user": user, "group": user, "extra_groups": []} if user else {}
    with open(log, "ab") as output:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=cwd,
            start_new_session=True, pass_fds=files, **switch,
        )  # fmt: skip


def end(process: subprocess.Popen[bytes], sign: signal.Signals, timeout: float) -> None:
    """Send ``sign``, after ``timeout`` seconds SIGKILL, and wait."""
    process.send_signal(sign)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _parents() -> dict[int, int]:
    found = {}
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            pid = int(entry)
            # the name, in brackets, may hold anything: the fields start after its end
            state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found[pid] = int(parent)
    return found


def children(pid: int) -> list[int]:
    return sorted(child for child, parent in _parents().items() if parent == pid)


def descendants(pids: Iterable[int]) -> set[int]:
    """``pids`` and all below them."""
    parents, found, last = _parents(), set(pids), -1
    while len(found) != last:
        last = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found


def with_environment(entry: str) -> set[int]:
    """Processes that were started with ``NAME=value`` in their environment."""
    found, wanted = set(), entry.encode()
    for pid in _parents():
        with contextlib.suppress(OSError):
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found


def working_in(folder: Path) -> set[int]:
    """The processes whose working directory is ``folder`` or below."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if Path(os.readlink(link)).is_relative_to(folder):
                found.add(int(link.parent.name))
    return found


def kill(pids: Iterable[int]) -> None:
    """SIGKILL, and wait until they are gone."""
    wanted = set(pids)
    for pid in wanted:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not wanted & _parents().keys(), 10, f"the end of {wanted}")
