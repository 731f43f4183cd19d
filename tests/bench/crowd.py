"""Rows about many clients that type: echo, CPU and memory as they become more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

from .report import DIRECT, DOCKBOX, LATENCY, MEMORY, Row, percentiles
from .rig import Box, Rig
from .servers import cpu, rss
from .shell import Shell
from .typists import Crowd


class Rows:
    """The rows of one number of typists."""

    def __init__(self, number: int) -> None:
        many = f"{number:,} typing"
        self.number = number
        self.echo = {p: Row(f"{many}: echo {p}", "ms", DIRECT, LATENCY) for p in ("p50", "p99")}
        self.worker = Row(f"{many}: worker's CPU", "s a second")
        self.both = Row(f"{many}: worker's and dockerd's CPU", "s a second", DIRECT)
        # a session is for all in its box: with few clients it is most of what is taken
        aims = MEMORY if number >= 100 else ()
        self.memory = Row(f"{many}: memory a client", "kB", "", aims)

    def all(self) -> list[Row]:
        return [*self.echo.values(), self.worker, self.both, self.memory]


def crowd(
    rig: Rig, url: str, rounds: int, numbers: Sequence[int], boxes: int, seconds: float
) -> list[Row]:
    """Ever more clients, spread over ``boxes``, who all type for ``seconds``.

    In each round the same connections stay and more join them, on a fresh worker: memory that
    was freed before would hide what is taken.
    """
    rows = [Rows(number) for number in numbers]
    made = [rig.box(url) for _ in range(boxes)]
    for box in made:
        shell = Shell(rig.address(DOCKBOX, box))
        shell.run("cat")
        shell.close()
    rig.dockbox.restart()
    for _ in range(rounds):
        for target in (DOCKBOX, DIRECT):
            _round(rig, target, made, rows, seconds)
    for box in made:
        rig.delete(box)
    return [row for some in rows for row in some.all()]


def _round(rig: Rig, target: str, boxes: list[Box], rows: list[Rows], seconds: float) -> None:
    addresses = [rig.address(target, box) for box in boxes]
    dockerd, worker, before = int((rig.engine.folder / "pid").read_text()), 0, 0.0
    if target == DOCKBOX:
        worker = rig.worker(DOCKBOX)
        with closing(Crowd(addresses)) as first:
            first.grow(len(addresses))
        rig.wait(1)
        before = rss(worker)
    with closing(Crowd(addresses)) as typists:
        for some in rows:
            typists.grow(some.number)
            used = cpu(dockerd), cpu(worker) if worker else 0.0
            start = time.perf_counter()
            times = typists.type(seconds)
            wall = time.perf_counter() - start
            engine = (cpu(dockerd) - used[0]) / wall
            for which, took in percentiles(times).items():
                some.echo[which].add(target, took * 1000)
            if worker:
                ours = (cpu(worker) - used[1]) / wall
                some.worker.add(target, ours)
                some.both.add(target, ours + engine)
                some.memory.add(target, (rss(worker) - before) / some.number)
            else:
                some.both.add(target, engine)
    if worker:  # or it would still see the last of them off while dockerd is measured
        rig.dockbox.restart()
    rig.wait(1)
