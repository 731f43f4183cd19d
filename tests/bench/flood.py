"""One box that streams to a client that reads, in a process of its own, until SIGTERM.

    python -m tests.bench.flood '[["host", port], "/path", …]'  # an Address in JSON

Says ``flowing`` when the first output has come.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys

from .client import Address, Broken
from .shell import YES, Shell


class Enough(Exception):
    """It is time to stop."""


def stop(*_: object) -> None:
    raise Enough


def main() -> None:
    server, *rest = json.loads(sys.argv[1])
    address = Address(server if isinstance(server, str) else tuple(server), *rest)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who started this
    shell = Shell(address)
    try:
        shell.send(YES)
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
