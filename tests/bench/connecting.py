"""Rows about connections: what an idle one costs, and how many a second are taken."""

from __future__ import annotations

import contextlib
import selectors
import time
from collections.abc import Iterator, Sequence

from .client import Address, Broken, WebSocket
from .handshake import Handshake
from .report import DIRECT, DOCKBOX, LATENCY, MEMORY, MORE_THAN_PEERS, NAIVE, Row, percentiles
from .rig import SERVERS, TARGETS, Box, Rig
from .servers import rss
from .shell import Shell

AT_ONCE = 8  # handshakes under way
BOXES = 10  # that the idle connections are spread over
BATCH = 50  # idle connections made in one go
PAUSE = 0.02  # seconds between one connect and the next, in which the last is tidied up
REPLAYING = [who for who in TARGETS if who != NAIVE]  # who can send a newcomer recent output


def memory(rig: Rig, url: str, rounds: int, connections: int) -> list[Row]:
    """Growth of the worker's resident memory by ``connections``, divided by their number.

    Each round has fresh workers: memory that earlier rows have freed would hide what is taken.
    The boxes are new as well, since others have a lot of recent output.
    """
    boxes = [rig.box(url) for _ in range(BOXES)]
    _warm_up([rig.address(DOCKBOX, box) for box in boxes])  # starts them
    row = Row(f"memory an idle connection at {connections}", "kB", "", MEMORY)
    for _ in range(rounds):
        for target in SERVERS:
            rig.servers[target].restart()
            worker = rig.worker(target)
            addresses = [rig.address(target, box) for box in boxes]
            _warm_up(addresses)
            rig.wait(0.5)
            before = rss(worker)
            held: list[WebSocket] = []
            while len(held) < connections:
                held += [WebSocket(addresses[i % len(addresses)]) for i in range(BATCH)]
                rig.wait(0.3)  # a jam at the door would be measured as well
                _drain(held)
            rig.wait(1)
            row.add(target, (rss(worker) - before) / connections)
            for client in held:
                client.close()
            rig.wait(0.5)
    return [row]


def _warm_up(addresses: list[Address]) -> None:
    """What a worker takes once and not a connection: imports, pools, caches."""
    for address in addresses:
        shell = Shell(address)
        shell.sync()
        shell.close()


def _drain(held: list[WebSocket]) -> None:
    """Read what came: an idle client has taken the recent output, none waits in the server."""
    for client in held:
        client.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while client.sock.recv(65536):
                pass
        client.sock.setblocking(True)


def rate(rig: Rig, box: Box, rounds: int, number: int) -> list[Row]:
    """Connects a second to a box that somebody uses already, eight at once."""
    upgrade = Row("connects to the 101", "a second", DIRECT, (MORE_THAN_PEERS,))
    output = Row("connects to the recent output", "a second", DIRECT, (MORE_THAN_PEERS,))
    for _ in range(rounds):
        for row, targets in ((upgrade, TARGETS), (output, REPLAYING)):
            for target in targets:
                address = rig.address(target, box, logs=row is output)
                with _user(rig, target, box):
                    row.add(target, number / connect([address], number, row is output))
    return [upgrade, output]


def first_output(rig: Rig, box: Box, rounds: int, number: int) -> list[Row]:
    """From connecting to the recent output's first byte, one connect at a time."""
    rows = {
        which: Row(f"connect to the recent output {which}", "ms", DIRECT, LATENCY)
        for which in ("p50", "p99")
    }
    for _ in range(rounds):
        for target in REPLAYING:
            address = rig.address(target, box, logs=True)
            times = []
            with _user(rig, target, box):
                for _ in range(number):
                    start = time.perf_counter()
                    made = Handshake(address)
                    while not made.done(output=True):
                        pass
                    times.append(time.perf_counter() - start)
                    made.close()
                    rig.wait(PAUSE)
            for which, seconds in percentiles(times).items():
                rows[which].add(target, seconds * 1000)
    return list(rows.values())


@contextlib.contextmanager
def _user(rig: Rig, target: str, box: Box) -> Iterator[None]:
    """Somebody who uses the box already, so that a newcomer has what others have there."""
    user = Shell(rig.address(target, box))
    user.sync()
    yield
    user.close()
    rig.wait(0.5)


def connect(addresses: Sequence[Address], number: int, output: bool) -> float:
    """Seconds for ``number`` connections, in turn to each address, each followed by the next."""
    started = finished = 0
    start = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        while finished < number:
            while started < number and started - finished < AT_ONCE:
                made = Handshake(addresses[started % len(addresses)])
                selector.register(made.sock, selectors.EVENT_READ, made)
                started += 1
            ready = selector.select(30)
            if not ready:
                raise Broken("no answer to a handshake")
            for key, _ in ready:
                if key.data.done(output):
                    selector.unregister(key.data.sock)
                    key.data.close()
                    finished += 1
    return time.perf_counter() - start
