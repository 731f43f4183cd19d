"""``make chaos``: break everything at random, and see that dockbox bears it.

Exits with 1 if it does not, and says what was violated.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
from contextlib import ExitStack

from tests.support.engine import Engine
from tests.support.postgres import Postgres
from tests.support.processes import Missing
from tests.support.run import Run

from .chaos import chaos
from .points import points
from .world import World, faulty_world


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="who does what; a random one if not given")
    parser.add_argument("--seconds", type=float, default=60, help="how long it breaks things")
    parser.add_argument(
        "--steps", action="store_true",
        help="instead kill a worker at each step of each operation, one after the other",
    )  # fmt: skip
    parser.add_argument("--logs", action="store_true", help="print the servers' logs at the end")
    return parser.parse_args()


def rampage(seed: int, seconds: float, steps: bool, logs: bool) -> int:
    """Start everything, run, report; the exit status."""
    with ExitStack() as ends:
        # before all else, since it ends last: a second Ctrl-C must not leave half of it
        ends.callback(signal.signal, signal.SIGINT, signal.default_int_handler)
        run = Run()
        ends.callback(run.close)
        engine, postgres = Engine(run), Postgres(run)
        ends.callback(engine.close)
        ends.callback(postgres.stop)
        postgres.start()
        engine.start()
        engine.import_images()
        plan = run.folder / "plan"
        made = faulty_world(run, engine, postgres, run.folder, plan) if steps else None
        world = ends.enter_context(made or World(run, engine, postgres, run.folder))
        try:
            violations = points(world, plan, 1) if steps else chaos(world, seed, seconds)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            if logs:
                for server in world.servers:
                    print(f"--- server {server.port}\n{server.log()}")
            print(f"seed {seed}, {seconds:g} s\n{world.journal.summary()}", flush=True)
    return 1 if violations else 0


def main() -> int:
    args = arguments()
    seed = secrets.randbelow(10**6) if args.seed is None else args.seed
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # tidy up then, too
    try:
        return rampage(seed, args.seconds, args.steps, args.logs)
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
