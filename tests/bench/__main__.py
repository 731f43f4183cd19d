"""``make bench``: dockbox beside dockerd's own WebSocket, its peers and Docker's commands.

docs/benchmarks.md explains each row.  Times never fail a run; only what does not work does.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.support.processes import Missing

from . import cluster, connecting, crowd, due, interrupting, lifecycle, page, queueing, streaming
from .report import DOCKBOX, Row, table
from .rig import Box, Rig
from .shell import Shell

BOXES = 7  # one for each step that needs its own, and four that stream
FILES, LINES = 400, 100  # of the repository that boxes are made from, about 2 MB


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    rounds: int
    few: int  # rounds of rows that take long
    fewest: int  # rounds that restart the servers
    size: int
    keys: int
    connections: int
    connects: int
    presses: int
    typists: tuple[int, ...]
    boxes: int  # that the typists are spread over
    seconds: float  # that they type
    rows: int  # dockboxes of the queue
    comings: int  # of clients, over several servers
    due: int  # dockboxes that fall due together
    idle_timeout: int  # their seconds


FULL = Scale(
    rounds=9, few=5, fewest=3, size=100 * 2**20, keys=500, connections=500, connects=400,
    presses=5, typists=(1, 100, 1000), boxes=50, seconds=10,
    rows=100_000, comings=8000, due=200, idle_timeout=60,
)  # fmt: skip
QUICK = Scale(
    rounds=2, few=1, fewest=1, size=10 * 2**20, keys=100, connections=100, connects=80,
    presses=2, typists=(1, 20, 200), boxes=10, seconds=4,
    rows=20_000, comings=800, due=10, idle_timeout=5,
)  # fmt: skip
Step = Callable[[Rig, str, list[Box], Scale], list[Row]]
STEPS: dict[str, Step] = {
    "throughput": lambda rig, url, boxes, s: streaming.throughput(rig, boxes[0], s.few, s.size),
    "echo": lambda rig, url, boxes, s: streaming.echo(rig, boxes, s.few, s.keys),
    "hostile": lambda rig, url, boxes, s: streaming.echo_among_hostile(
        rig, boxes, s.few, s.keys, 2 * s.connections
    ),
    "interrupt": lambda rig, url, boxes, s: interrupting.interrupt(rig, boxes[0], s.few, s.presses),
    "connects": lambda rig, url, boxes, s: connecting.rate(rig, boxes[5], s.few, s.connects),
    "first": lambda rig, url, boxes, s: connecting.first_output(
        rig, boxes[5], s.few, s.connects // 2
    ),
    "create": lambda rig, url, boxes, s: lifecycle.create(rig, url, s.rounds),
    "reconnect": lambda rig, url, boxes, s: lifecycle.reconnect(rig, boxes[6], s.rounds),
    "memory": lambda rig, url, boxes, s: connecting.memory(rig, url, s.fewest, s.connections),
    "typing": lambda rig, url, boxes, s: crowd.crowd(
        rig, url, s.fewest, s.typists, s.boxes, s.seconds
    ),
    "page": lambda rig, url, boxes, s: page.page(rig, url, boxes[5], s.few, s.keys),
    "queue": lambda rig, url, boxes, s: queueing.ticks(rig, s.few, s.rows),
    "cluster": lambda rig, url, boxes, s: cluster.crowd(rig, s.few, s.comings),
    "stop": lambda rig, url, boxes, s: due.stop_time(rig, s.due, s.idle_timeout),
}


def arguments(args: Sequence[str] | None = None) -> tuple[list[str], Scale]:
    """Which steps, and how much of each."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", default=",".join(STEPS), help="steps, comma-separated")
    parser.add_argument("--quick", action="store_true", help="see that it works; measures little")
    found = parser.parse_args(args)
    steps = [step.strip() for step in found.only.split(",")]
    for step in steps:
        if step not in STEPS:
            parser.error(f"no step {step!r}; there are {', '.join(STEPS)}")
    return [step for step in STEPS if step in steps], QUICK if found.quick else FULL


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def prepare(rig: Rig) -> tuple[str, list[Box]]:
    """A repository, and boxes that run."""
    source = "".join(
        f"def function_{i}(argument):\n    return argument * {i}\n" for i in range(LINES)
    )
    files = {f"package/module_{i}.py": f"# {i}\n{source}" for i in range(FILES)}
    url = rig.site.repository("code", files)
    boxes = [rig.box(url) for _ in range(BOXES)]
    for box in boxes:
        shell = Shell(rig.address(DOCKBOX, box))
        shell.sync()
        shell.close()
    return url, boxes


def measure(steps: list[str], scale: Scale, rows: list[Row]) -> None:
    """Fill ``rows`` step by step, so that an interrupted run shows what it has."""
    say("starting an engine, dockbox and its peers …")
    rig = Rig()
    try:
        url, boxes = prepare(rig)
        for step in steps:
            start = time.monotonic()
            rows += STEPS[step](rig, url, boxes, scale)
            say(f"{step}: {time.monotonic() - start:.0f} s")
    except Exception:
        say(rig.logs())
        raise
    finally:
        rig.close()


def main() -> int:
    steps, scale = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # tidy up then, too
    rows: list[Row] = []
    start, code = time.monotonic(), 0
    try:
        measure(steps, scale, rows)
    except Missing as missing:
        say(str(missing))
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        code = 130
    except Exception:  # what was measured before it is worth seeing all the same
        traceback.print_exc()
        code = 1
    if rows:
        print(table(rows))
    load = os.getloadavg()[0]
    say(f"{os.cpu_count()} cores, load {load:.1f}, {time.monotonic() - start:.0f} s in all")
    return code


if __name__ == "__main__":
    sys.exit(main())
