"""A name server of the test's own, and a process that has no other."""

from __future__ import annotations

import contextlib
import ipaddress
import random
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from .processes import need_root, program
from .run import ROOT

KINDS = {1: 4, 28: 6}  # A, AAAA


class Resolver:
    """Answers for each name what was set with ``say``: the first look-up first, the last for ever.

    One look-up may have several addresses, of both kinds.
    """

    def __init__(self, folder: Path) -> None:
        need_root("a name server of its own")
        self.names: dict[str, list[tuple[str, ...]]] = {}
        self.asked: list[tuple[str, int]] = []  # a look-up asks for both kinds, each once
        self._answers: dict[bytes, bytes] = {}  # who asks again is told the same
        self._socket = self._bound()
        self._file = folder / "resolv.conf"
        self._file.write_text(
            f"nameserver {self._socket.getsockname()[0]}\n"
            "options timeout:1 attempts:5 single-request\n"
        )
        threading.Thread(target=self._serve, daemon=True).start()

    def say(self, name: str, *answers: str | Sequence[str]) -> None:
        self.names[name] = [(one,) if isinstance(one, str) else tuple(one) for one in answers]

    def run(self, script: str, *args: str) -> str:
        """What a Python ``script`` prints in a process that asks this name server alone."""
        inner = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        done = subprocess.run(
            [program("unshare", "util-linux"), "--mount", "--propagation", "private",
             "/bin/sh", "-c", inner, str(self._file), sys.executable, "-c", script, *args],
            check=False, capture_output=True, text=True, cwd=ROOT, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def close(self) -> None:
        self._socket.close()

    @staticmethod
    def _bound() -> socket.socket:
        """On port 53, which no resolv.conf can change, of an address that nobody else has."""
        while True:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            address = f"127.{random.randint(64, 254)}.{random.randint(1, 254)}.53"
            with contextlib.suppress(OSError):
                sock.bind((address, 53))
                return sock
            sock.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                query, client = self._socket.recvfrom(4096)
                if query not in self._answers:
                    self._answers[query] = self._answer(query)
                self._socket.sendto(self._answers[query], client)

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while size := query[at]:
            labels.append(query[at + 1 : at + 1 + size].decode().lower())
            at += 1 + size
        kind, name = struct.unpack_from("!H", query, at + 1)[0], ".".join(labels)
        known = self.names.get(name, [])
        number = self.asked.count((name, kind))
        self.asked.append((name, kind))
        told = known[min(number, len(known) - 1)] if known else ()
        every = [ipaddress.ip_address(one) for one in told]
        wanted = [one.packed for one in every if one.version == KINDS.get(kind)]
        flags = 0x8180 if known else 0x8183  # or no such name
        head = query[:2] + struct.pack("!5H", flags, 1, len(wanted), 0, 0)
        record = b"\xc0\x0c" + struct.pack("!HHI", kind, 1, 0)  # the name asked for, for no time
        records = [record + struct.pack("!H", len(one)) + one for one in wanted]
        return head + query[12 : at + 5] + b"".join(records)
