"""A TCP proxy on loopback that is as slow as a test wants it to be."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

STEP = 64 * 1024


class Throttle:
    """Passes everything on to ``target``; ``netloc`` is its own address.

    ``pace`` is seconds for each 64 KiB that come back.  After ``most`` bytes of one connection
    the rest is held back until ``let_go``.
    """

    def __init__(self, target: str, pace: float = 0, most: int | None = None) -> None:
        host, _, port = target.partition(":")
        self._target = host, int(port)
        self.pace, self.most = pace, most
        self.holding = threading.Event()  # some connection is being held
        self._free = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.netloc = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._spawn(self._accept)

    @staticmethod
    def _spawn(work: object, *args: object) -> None:
        threading.Thread(target=work, args=args, daemon=True).start()  # type: ignore[arg-type]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                server = socket.create_connection(self._target)
                self._sockets.append(server)
                self._spawn(self._copy, client, server, False)
                self._spawn(self._copy, server, client, True)

    def _copy(self, source: socket.socket, target: socket.socket, slowly: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(STEP):
                if slowly:
                    passed += len(data)
                    self._brake(passed)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _brake(self, passed: int) -> None:
        if not self._free.is_set():
            time.sleep(self.pace)
            if self.most is not None and passed > self.most:
                self.holding.set()
                self._free.wait()

    def let_go(self) -> None:
        """From now on as fast as it goes."""
        self._free.set()

    def cut(self) -> None:
        """End all connections, and take no new one."""
        self._free.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
