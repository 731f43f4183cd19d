"""Rows about connections: what an idle one costs, and how many a second are taken."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time

from .client import GOODBYE, Address, Broken, WebSocket, connection, request
from .report import DIRECT, DOCKBOX, Aim, Row
from .rig import SERVERS, TARGETS, Box, Rig
from .servers import rss
from .shell import Shell

AT_ONCE = 8  # handshakes under way
BOXES = 10  # that the idle connections are spread over
BATCH = 50  # idle connections made in one go


def memory(rig: Rig, url: str, rounds: int, connections: int) -> list[Row]:
    """Growth of the worker's resident memory by ``connections``, divided by their number.

    Each round has fresh workers: memory that earlier rows have freed would hide what is taken.
    The boxes are new as well, since others have a lot of recent output.
    """
    boxes = [rig.box(url) for _ in range(BOXES)]
    _warm_up([rig.address(DOCKBOX, box) for box in boxes])  # starts them
    row = Row(f"memory an idle connection at {connections}", "kB", "", Aim("value", "≤", 40))
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
    upgrade = Row("connects to the 101", "a second", DIRECT)
    output = Row("connects to the recent output", "a second", DIRECT)
    for _ in range(rounds):
        for row, targets in ((upgrade, TARGETS), (output, (DOCKBOX, DIRECT))):
            for target in targets:
                user = Shell(rig.address(target, box))
                user.sync()
                address = rig.address(target, box, logs=row is output)
                row.add(target, number / _connect(address, number, row is output))
                user.close()
                rig.wait(0.5)
    return [upgrade, output]


class Slot:
    """One of the connections at once."""

    def __init__(self, address: Address) -> None:
        self.sock: socket.socket = connection(address)
        self.sock.connect(address.server)
        self.sock.sendall(request(address))
        self._got = b""

    def done(self, output: bool) -> bool:
        """Read; whether the upgrade, and with ``output`` some output, is there."""
        got = self.sock.recv(65536)
        if not got:
            raise Broken("the server ended a connection")
        self._got += got
        head, end, frames = self._got.partition(b"\r\n\r\n")
        if end and not head.startswith(b"HTTP/1.1 101"):
            raise Broken(f"no WebSocket: {head[:300].decode(errors='replace')}")
        return bool(end) and (bool(frames) or not output)

    def close(self) -> None:
        self.sock.sendall(GOODBYE)
        self.sock.close()


def _connect(address: Address, number: int, output: bool) -> float:
    """Seconds for ``number`` connections, each followed by the next at once."""
    started = finished = 0
    start = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        while finished < number:
            while started < number and started - finished < AT_ONCE:
                slot = Slot(address)
                selector.register(slot.sock, selectors.EVENT_READ, slot)
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
