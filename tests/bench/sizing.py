"""``make sizing``: what a server, a dockbox and a connection take, and how many people it carries.

Prints the table of docs/operating.md, or with ``--write`` puts it there.  Takes about four minutes;
nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path
from statistics import median

from tests.support import images
from tests.support.engine import Engine
from tests.support.many import fill
from tests.support.postgres import Postgres
from tests.support.run import ROOT, Run
from tests.support.server import Server
from tests.support.waiting import eventually
from tests.support.world import World
from tests.unit.lifecycle.world import connected

from .client import Address, WebSocket
from .footprint import BOXES, CLIENTS, DATABASE, ENGINE, SERVER, SHIMS, Footprint
from .report import percentiles
from .shell import Shell
from .typists import RATE, Crowd

PAGE = ROOT / "docs" / "operating.md"
BEGIN, END = "<!-- sizing: begin -->", "<!-- sizing: end -->"
MANY = 10_000  # dockboxes in the database
STARTS = 3  # of which the median counts
IDLE = 10.0  # seconds of doing nothing
RUNNING = 40  # boxes
CONNECTIONS = 400  # idle ones
BOUND = 0.050  # seconds, for the 99th percentile of the echo
FIRST, CLOSE_ENOUGH = 25, 0.1  # typists, and the part of them to which they are found
ROUNDS, SECONDS = 3, 2.0  # of typing, of which the median counts
# A program in each box prints a line a second; what it prints has no letter that a typist types.
PRINTER = "mkfifo /tmp/f; (while :; do read -rt1 _ <>/tmp/f; echo {}; done) &".format(
    "0123456789" * 6
)
Line = tuple[str, str]


class Sizing:
    """A server as in production, with everything that it needs."""

    def __init__(self, ends: ExitStack) -> None:
        self.run = Run()
        ends.callback(self.run.close)
        self.engine, self.postgres = Engine(self.run), Postgres(self.run)
        for service in (self.engine, self.postgres):
            ends.callback(service.stop)
            service.start()
        self.engine.import_image(images.BASH)
        self.database = self.postgres.database()
        with connected(self.database, self.run.folder):
            pass  # the tables are there now
        self.world = World(
            self.run, self.engine, self.run.folder, self.database, environment="production",
            auth="none", create_rate=0, idle_timeout=3600, max_box_connections=10_000,
        )  # fmt: skip
        ends.callback(self.world.close)
        self.footprint = Footprint(self.run, self.server, self.postgres)

    @property
    def server(self) -> Server:
        return self.world.server

    def start(self, workers: int) -> float:
        """Start the server anew; seconds until ``/ready`` said yes."""
        self.server.kill()
        self.server.settings["WEB_CONCURRENCY"] = str(workers)
        began = time.perf_counter()
        self.server.start()
        eventually(lambda: self.server.get("/ready").status_code == 200, 30, "readiness")
        took = time.perf_counter() - began
        eventually(lambda: len(self.server.worker_pids()) == workers, 30, "all workers")
        return took

    def starts(self, workers: int) -> float:
        return median(self.start(workers) for _ in range(STARTS))

    def address(self, id: str) -> Address:
        return Address(("127.0.0.1", self.server.port), f"/v1/dockbox/ws/{id}")

    def idle(self) -> dict[str, float]:
        """Processors that are used while nobody does anything."""
        time.sleep(2)
        with self.footprint.load() as load:
            time.sleep(IDLE)
        return load


def alone(s: Sizing) -> Iterator[Line]:
    """A server without dockboxes, and with many that are stopped."""
    memory = {}
    for workers in (1, 2):
        yield f"start until `/ready`, workers: {workers}", f"{s.starts(workers):.1f} s"
        load = s.idle()
        memory[workers] = s.footprint.memory()[SERVER]
        yield (
            f"idle server, workers: {workers}",
            f"{memory[workers]:.0f} MB, {percent(load[SERVER])}",
        )
    yield "each further worker", f"{memory[2] - memory[1]:.0f} MB"
    with connected(s.database, s.run.folder) as database:
        fill(MANY, database.now())
        database.rows("UPDATE dockboxes SET state = 'stopped', stops_at = NULL, owner = NULL")
    yield f"start with {MANY:,} dockboxes, workers: 2", f"{s.starts(2):.1f} s"
    load = s.idle()
    more = s.footprint.memory()[SERVER]
    what = f"{more:.0f} MB, {percent(load[SERVER])}; PostgreSQL: {percent(load[DATABASE])}"
    yield f"idle server with {MANY:,} dockboxes, workers: 2", what


def crowded(s: Sizing) -> Iterator[Line]:
    """Boxes that run, connections that are idle, people who type."""
    before = s.footprint.memory()
    addresses = boxes(s)
    load, after = s.idle(), s.footprint.memory()
    each = {name: (after[name] - before[name]) / RUNNING for name in after}
    what = (
        f"{each[BOXES] + each[SHIMS] + each[ENGINE]:.1f} MB: its processes {each[BOXES]:.1f},"
        f" containerd's shim {each[SHIMS]:.1f}, in dockerd and containerd {each[ENGINE]:.1f}"
    )
    yield "a running dockbox with an idle bash", what
    used = load[BOXES] + load[SHIMS] + load[ENGINE]
    yield (
        f"{RUNNING} of them, idle",
        f"Docker and boxes: {percent(used)}; server: {percent(load[SERVER])}",
    )
    yield from connections(s, addresses)
    yield from typing(s, addresses)


def boxes(s: Sizing) -> list[Address]:
    """The terminals of ``RUNNING`` dockboxes that run, in which nobody is."""
    url = s.world.archive()
    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(lambda _: s.server.create(url)["id"], range(RUNNING)))
    addresses = [s.address(id) for id in ids]
    for address in addresses:
        shell = Shell(address)
        shell.sync()
        shell.close()
    return addresses


def connections(s: Sizing, addresses: list[Address]) -> Iterator[Line]:
    """What a first client of a box takes in the server, and what each further one."""
    s.start(2)  # or it would take again what it has freed
    start = s.footprint.memory()[SERVER]
    held = [WebSocket(address) for address in addresses]
    time.sleep(2)
    first = s.footprint.memory()[SERVER]
    held += [WebSocket(addresses[i % RUNNING]) for i in range(CONNECTIONS)]
    time.sleep(2)
    last = s.footprint.memory()[SERVER]
    for client in held:
        client.close()
    yield (
        "the first idle connection to a dockbox",
        f"{(first - start) / RUNNING * 1000:.0f} kB in the server",
    )
    yield "each further one", f"{(last - first) / CONNECTIONS * 1000:.0f} kB"


def typing(s: Sizing, addresses: list[Address]) -> Iterator[Line]:
    """How many may type until the echo is late."""
    for address in addresses:
        shell = Shell(address)
        shell.send(f"{PRINTER}\n".encode())
        shell.run("cat")
        shell.close()
    most, late = search(lambda number: echo(s, addresses, number)[0])
    p99, p50, load = echo(s, addresses, max(1, most))
    what = f"**{most}** (p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.0f} ms; {late} were too many)"
    yield f"people who type, with an echo of p99 < {BOUND * 1000:.0f} ms, workers: 2", what
    docker = load[ENGINE] + load[SHIMS] + load[BOXES]
    shares = {"server": SERVER, "PostgreSQL": DATABASE, "the clients here": CLIENTS}
    said = [f"{name} {percent(load[group])}" for name, group in shares.items()]
    yield "processors meanwhile", "; ".join([*said, f"Docker and boxes {percent(docker)}"])


def search(p99: Callable[[int], float]) -> tuple[int, int]:
    """The most that keep the bound and a number that does not: by doubling, then by halves."""
    good, bad = 0, FIRST
    while p99(bad) < BOUND:
        good, bad = bad, 2 * bad
    while bad - good > max(1, CLOSE_ENOUGH * good):
        middle = (good + bad) // 2
        good, bad = (middle, bad) if p99(middle) < BOUND else (good, middle)
    return good, bad


def echo(s: Sizing, addresses: list[Address], number: int) -> tuple[float, float, dict[str, float]]:
    """p99 and p50 of the echo in seconds while ``number`` type, and the load of each group."""
    with closing(Crowd(addresses)) as crowd:
        crowd.grow(number)
        with s.footprint.load() as load:
            rounds = [percentiles(crowd.type(SECONDS)) for _ in range(ROUNDS)]
    return median(r["p99"] for r in rounds), median(r["p50"] for r in rounds), load


def percent(processors: float) -> str:
    return f"{processors * 100:.0f} %" if processors >= 0.1 else f"{processors * 100:.1f} %"


def machine() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} processors ({found[1] if found else 'unknown'})"


def measure() -> str:
    """The table in Markdown."""
    with ExitStack() as ends:
        s = Sizing(ends)
        lines = [("measured", "result"), ("---", "---")]
        for part in (alone, crowded):
            for line in part(s):
                print(*line, sep=": ", file=sys.stderr, flush=True)
                lines.append(line)
    typed = f"{RATE} keys a second each, spread over {RUNNING} dockboxes that print a line a second"
    head = f"{date.today()}, {machine()}; 100 % is one of them. Who types: {typed}."
    return "\n".join([head, "", *(f"| {what} | {result} |" for what, result in lines)])


def main() -> None:
    parser = argparse.ArgumentParser(prog="make sizing", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put it into docs/operating.md")
    write = parser.parse_args().write
    table = measure()
    print(table)
    if write:
        head, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
