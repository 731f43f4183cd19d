"""Many clients that type by a schedule, in one process and one thread."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from .client import BINARY, CLOSE, CONTROL, GOODBYE, PING, PONG, Address, Broken, masked
from .handshake import Handshake

RATE = 5  # keys a second that each types
LETTERS = range(ord("a"), ord("z") + 1)  # one for each typist of a box
SETTLE = 1.0  # seconds for what comes at a connect
PATIENCE = 10.0  # seconds for the last echo to come
AT_ONCE = 64  # sockets read between two looks at the schedule


class Typist:
    """One client.  Its key is its own in its box: of what all there see, it knows its echo."""

    def __init__(self, address: Address, key: int) -> None:
        made = Handshake(address)
        while not made.done(output=False):
            pass
        self.sock = made.sock
        self.sock.setblocking(False)
        self._key, self._frame = key, masked(BINARY, bytes([key]))
        self._rest: bytes = made.frames  # of a frame that has not come as a whole
        self.sent: deque[float] = deque()  # when the keys were sent whose echo has not come

    def press(self) -> None:
        self.sent.append(time.perf_counter())
        self.sock.sendall(self._frame)

    def read(self) -> list[float]:
        """Take what came; the seconds that each own key in it took, those of a replay aside."""
        data = self.sock.recv(65536)
        now = time.perf_counter()
        if not data:
            raise Broken("the server ended a typist's connection")
        own = self._count(self._rest + data)
        return [now - self.sent.popleft() for _ in range(min(own, len(self.sent)))]

    def _count(self, data: bytes) -> int:
        """How often the key is in the frames of ``data``."""
        own, at = 0, 0
        while len(data) - at >= 2:
            short = data[at + 1]
            start = at + (2 if short < 126 else 4 if short == 126 else 10)
            size = short if short < 126 else int.from_bytes(data[at + 2 : start], "big")
            end = start + size
            if end > len(data):
                break
            opcode = data[at] & 0xF
            if opcode < CONTROL:
                own += data.count(self._key, start, end)
            elif opcode == PING:
                self.sock.sendall(masked(PONG, data[start:end]))
            elif opcode == CLOSE:
                raise Broken(f"closed by the server: {data[start:end]!r}")
            at = end
        self._rest = data[at:]
        return own


class Crowd:
    """Typists spread over ``addresses``, each of which is a box's that runs ``cat``."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._typists: list[Typist] = []
        self._poll = select.epoll()  # before the sockets: select takes low numbers only
        self._by_number: dict[int, Typist] = {}

    def grow(self, number: int) -> None:
        """Be ``number`` typists, and read for a while: a newcomer is sent recent output."""
        for i in range(len(self._typists), number):
            box, place = i % len(self._addresses), i // len(self._addresses)
            typist = Typist(self._addresses[box], LETTERS[place])
            self._typists.append(typist)
            self._by_number[typist.sock.fileno()] = typist
            self._poll.register(typist.sock, select.EPOLLIN)
        end = time.perf_counter() + SETTLE
        while (left := end - time.perf_counter()) > 0:
            if self._wait(left):
                self._read()

    def type(self, seconds: float) -> list[float]:
        """Type at ``RATE`` keys a second each; the seconds that each key took to its echo.

        The keys of all are spread evenly, and one after the other go to different boxes.
        """
        count, times, pressed = len(self._typists), [], 0
        gap, total = 1 / (RATE * count), round(seconds * RATE * count)
        start = time.perf_counter()
        while len(times) < total:
            while pressed < total and start + pressed * gap <= time.perf_counter():
                self._typists[pressed % count].press()
                pressed += 1
            left = start + pressed * gap - time.perf_counter() if pressed < total else PATIENCE
            if self._wait(max(0.0, left)):
                times += self._read()
            elif pressed == total:
                raise Broken(f"of {total} keys {total - len(times)} never came back")
        return times

    def _wait(self, seconds: float) -> bool:
        # epoll's own wait is in whole milliseconds, which would bunch the keys
        return bool(select.select([self._poll], [], [], seconds)[0])

    def _read(self) -> list[float]:
        times: list[float] = []
        for number, _ in self._poll.poll(0, AT_ONCE):
            times += self._by_number[number].read()
        return times

    def close(self) -> None:
        for typist in self._typists:
            with suppress(OSError):
                typist.sock.sendall(GOODBYE)
            typist.sock.close()
        self._poll.close()
