"""Rows about bytes: throughput, the CPU that they cost, and the echo of a keystroke."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .client import Address
from .report import DIRECT, DOCKBOX, LATENCY, LESS_THAN_PEERS, RATE, Aim, Row, percentiles
from .rig import SERVERS, TARGETS, Box, Rig
from .servers import cpu
from .shell import Shell

LINE = b"a line as a compiler or a test run may print it, again and again, for a long time\r\n"
FLOODS = 4
WARM_UP = 20  # keystrokes that do not count


def throughput(rig: Rig, box: Box, rounds: int, size: int) -> list[Row]:
    """``size`` bytes of a file through the terminal, and the worker's CPU for it.

    Docker's log takes each line by itself, which with short lines costs more than all the rest:
    only bytes without line breaks show what a proxy can do.
    """
    used = Row("server CPU for 100 MB", "s", "", (LESS_THAN_PEERS,))
    rows = [used]
    for name, content in (("throughput", b"x"), ("throughput of short lines", LINE)):
        (box.files / "content").write_bytes((content * (size // len(content) + 1))[:size])
        row = Row(name, "MB/s", DIRECT, RATE)
        rows.insert(-1, row)
        for _ in range(rounds):
            for target in TARGETS:
                seconds, busy = _transfer(rig, target, box, size)
                row.add(target, size / 1e6 / seconds)
                if target in SERVERS and content != LINE:
                    used.add(target, busy * 1e8 / size)
    return rows


def _transfer(rig: Rig, target: str, box: Box, size: int) -> tuple[float, float]:
    """Seconds for the file's content to come, and those that the worker, if any, computed."""
    shell = Shell.settled(rig.address(target, box))
    worker = rig.worker(target) if target in SERVERS else None
    before = cpu(worker) if worker else 0.0
    rest = shell.run("cat /app/content")
    start = time.perf_counter()
    shell.skip(size - len(rest))
    seconds = time.perf_counter() - start
    busy = cpu(worker) - before if worker else 0.0
    shell.interrupt()
    shell.close()
    rig.wait(0.2)
    return seconds, busy


def echo(rig: Rig, boxes: list[Box], rounds: int, keys: int) -> list[Row]:
    """The way of a keystroke to ``cat`` and back: alone, and while four other boxes stream."""
    rows = {
        (busy, which): Row(f"echo {which} {'while four others stream' if busy else 'idle'}",
                           "ms", DIRECT, LATENCY)
        for busy in (False, True) for which in ("p50", "p99")
    }  # fmt: skip
    for busy in (False, True):
        for _ in range(rounds):
            for target in TARGETS:
                others = [rig.address(target, box) for box in boxes[1 : 1 + FLOODS * busy]]
                with flooding(others):
                    (times,) = _keystrokes([rig.address(target, boxes[0])], keys)
                for which, seconds in percentiles(times).items():
                    rows[busy, which].add(target, seconds * 1000)
                rig.wait(0.2)
    return list(rows.values())


def _keystrokes(addresses: list[Address], keys: int) -> list[list[float]]:
    """Seconds until each of ``keys`` keystrokes was back, at each address, in turn."""
    shells = [Shell.settled(address) for address in addresses]
    for shell in shells:
        shell.run("cat")
    times: list[list[float]] = [[] for _ in shells]
    for _ in range(WARM_UP + keys):
        for shell, took in zip(shells, times, strict=True):
            start = time.perf_counter()
            shell.send(b"x")
            shell.read()
            took.append(time.perf_counter() - start)
    for shell in shells:
        shell.interrupt()
        shell.close()
    return [took[WARM_UP:] for took in times]


def echo_among_hostile(
    rig: Rig, boxes: list[Box], rounds: int, keys: int, silent: int
) -> list[Row]:
    """The way of a keystroke while clients do their worst at the same box and at another.

    What they make Docker do takes the machine's cores as well: the limit is dockerd's own
    terminal at the same time, every other keystroke.
    """
    aims = (Aim("value", "≤", 50),)
    rows = {
        which: Row(f"echo {which} among hostile clients", "ms", DIRECT, aims)
        for which in ("p50", "p99")
    }
    for _ in range(rounds):
        Shell(rig.address(DOCKBOX, boxes[1])).close()  # Docker's start of it is not measured here
        with tormented(rig.address(DOCKBOX, boxes[0]), boxes[1].id, boxes[2].id, silent):
            targets = {DOCKBOX: boxes[0], DIRECT: boxes[3]}
            times = _keystrokes([rig.address(*target) for target in targets.items()], keys)
            for target, took in zip(targets, times, strict=True):
                for which, seconds in percentiles(took).items():
                    rows[which].add(target, seconds * 1000)
        rig.stop(boxes[1])  # its flood would go on through all that follows
        rig.wait(1)
    return list(rows.values())


@contextmanager
def tormented(address: Address, flooded: str, quiet: str, silent: int) -> Iterator[None]:
    """``tests.support.hostile`` is at work on the server of ``address``."""
    host, port = address.server
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.hostile", f"{host}:{port}", flooded, quiet,
         str(silent)],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout
        if process.stdout.readline() != b"hostile\n":
            raise RuntimeError("the hostile clients did not get in")
        yield
    finally:
        process.kill()
        process.communicate()


@contextmanager
def flooding(addresses: list[Address]) -> Iterator[None]:
    """Each address streams to a client of its own."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.flood", json.dumps(address)],
            stdout=subprocess.PIPE,
        )
        for address in addresses
    ]
    try:
        for process in processes:
            assert process.stdout
            if process.stdout.readline() != b"flowing\n":
                raise RuntimeError("a box does not stream")
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(30)
            assert process.stdout
            process.stdout.close()
