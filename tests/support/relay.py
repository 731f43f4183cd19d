"""A wire that a test can cut: between a server and its Docker engine or its database."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .processes import program


@contextmanager
def dropped(port: int) -> Iterator[None]:
    """No packet from or to this loopback port arrives, and nobody is told."""
    ends = ("--sport", "--dport")
    rules = [["INPUT", "-i", "lo", "-p", "tcp", end, str(port), "-j", "DROP"] for end in ends]
    iptables = [program("iptables", "iptables"), "-w"]
    try:
        for rule in rules:
            subprocess.run([*iptables, "-I", *rule], check=True)
        yield
    finally:
        for rule in rules:
            subprocess.run([*iptables, "-D", *rule], check=True)


class Relay:
    """Passes all on from a loopback ``port`` to ``target``: a Unix socket's path, or another port.

    While it is ``cut``, whoever was connected is cut off and whoever comes is refused.
    """

    def __init__(self, target: str | int) -> None:
        self._target = target
        self._lock = threading.Lock()  # guards the two below
        self._sockets: set[socket.socket] = set()
        self._cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def cut(self) -> Iterator[None]:
        self._cut = True
        self.break_connections()
        try:
            yield
        finally:
            self._cut = False

    def break_connections(self) -> None:
        """End those that there are; others are welcome."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def close(self) -> None:
        self._cut = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.break_connections()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = None if self._cut else self._connect()
            if far is None:
                near.close()
                continue
            with self._lock:
                if self._cut:  # since it was asked: nobody else would end these two
                    near.close()
                    far.close()
                    continue
                self._sockets |= {near, far}
            if self._cut:  # since it was looked at above
                self.break_connections()
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _connect(self) -> socket.socket | None:
        with contextlib.suppress(OSError):
            if isinstance(self._target, int):
                return socket.create_connection(("127.0.0.1", self._target))
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(self._target)
            return sock
        return None

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
