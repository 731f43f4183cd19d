"""One box that streams to a client that reads, in a process of its own, until SIGTERM.

    python -m tests.bench.flood '["host", port]' /path

Says ``flowing`` when the first output has come.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys

from .client import Address, Broken
from .shell import Shell


class Enough(Exception):
    """It is time to stop."""


def stop(*_: object) -> None:
    raise Enough


def main() -> None:
    server = json.loads(sys.argv[1])
    address = Address(server if isinstance(server, str) else (server[0], server[1]), sys.argv[2])
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started this
    shell = Shell(address)
    try:
        shell.send(b"yes 'a line as a compiler or a test run may print it, again and again'\n")
        shell.skip(4096)
        print("flowing", flush=True)
        while True:
            shell.read()
    except Enough:
        # Never leave while it streams: what nobody reads would go on for the next round.
        with contextlib.suppress(Broken, OSError):
            shell.interrupt()
    finally:
        shell.close()


if __name__ == "__main__":
    main()
