"""Fuzz for as long as is wanted, and stop at what is found.

    python -m tests.fuzz [--seconds 300] [--examples 300] [pytest's options, such as -k urls]

Runs all of tests/fuzz again and again, each time with another seed, which a failure's report
repeats.  Exits with 1 when something was found.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time

from .profile import EXAMPLES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--examples", type=int, default=300, help="of each test, in each round")
    parser.add_argument("--seed", type=int, help="of the first round, to see a failure again")
    asked, others = parser.parse_known_args()
    environment = {**os.environ, EXAMPLES: str(asked.examples)}
    end, rounds = time.monotonic() + asked.seconds, 0
    while rounds == 0 or time.monotonic() < end:
        seed = random.randrange(2**32) if asked.seed is None or rounds else asked.seed
        print(f"round {rounds + 1}: --seed {seed} --examples {asked.examples}", flush=True)
        command = [
            sys.executable, "-m", "pytest", "tests/fuzz", "-q", "-x", "--timeout", "1800",
            f"--hypothesis-seed={seed}", *others,
        ]  # fmt: skip
        if subprocess.run(command, env=environment).returncode:
            return 1
        rounds += 1
    print(f"{rounds} rounds, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
