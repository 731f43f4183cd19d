"""What docs/protocol.md shows is true: its clients work, its bytes are those on the wire."""

from __future__ import annotations

import ast
import os
import re
import select
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ptyprocess import PtyProcess

from ..support.processes import program
from ..support.run import ROOT
from ..support.server import Server
from ..support.terminal import Terminal

DOCS = (ROOT / "docs/protocol.md").read_text()
DEBIAN_WS = Path("/usr/share/nodejs/ws")  # Node.js before 22 has no WebSocket of its own
FILES = {"js": "terminal.mjs", "python": "terminal.py"}
SETTINGS = {"idle_timeout": 600}


@pytest.fixture
def server(shared: Server) -> Server:
    return shared


class Person:
    """Somebody who runs the client in ``language`` in a terminal of 24 rows and 80 columns."""

    def __init__(self, language: str, folder: Path, url: str) -> None:
        (code,) = re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
        file = folder / FILES[language]
        file.write_text(code)
        (folder / "node_modules").mkdir()
        (folder / "node_modules/ws").symlink_to(DEBIAN_WS)
        runs = sys.executable if language == "python" else program("node", "nodejs")
        self.process = PtyProcess.spawn([runs, str(file), url], dimensions=(24, 80))
        self._seen = b""

    def type(self, keys: str) -> None:
        self.process.write(keys.encode())

    def see(self, text: str, timeout: float = 10) -> None:
        """Read on until after ``text``."""
        end, wanted = time.monotonic() + timeout, text.encode()
        while wanted not in self._seen:
            ready, _, _ = select.select([self.process.fd], [], [], max(end - time.monotonic(), 0))
            assert ready, f"no {text!r} in {timeout:g} s: {self._seen!r}"
            self._seen += os.read(self.process.fd, 65536)
        self._seen = self._seen.partition(wanted)[2]

    def sees_size(self, rows: int, columns: int) -> None:
        """Wait, in the shell, until its terminal has this size."""
        self.type(
            f"until [ \"$(stty size)\" = '{rows} {columns}' ]; do sleep .1; done; echo o''k\r"
        )
        self.see("ok\r\n")

    @property
    def raw(self) -> bool:
        return not termios.tcgetattr(self.process.fd)[3] & (termios.ECHO | termios.ICANON)


@pytest.fixture(params=FILES)
def person(
    request: pytest.FixtureRequest, server: Server, box: str, tmp_path: Path
) -> Iterator[Person]:
    url = f"{server.url.replace('http', 'ws')}/v1/dockbox/ws/{box}"
    person = Person(request.param, tmp_path, url)
    yield person
    person.process.close(force=True)


def test_the_client_in_the_docs_works(server: Server, box: str, person: Person) -> None:
    person.see("# ")
    assert person.raw
    person.sees_size(24, 80)
    person.type("echo me''ow; cat\r")
    person.see("meow\r\n")
    person.type("mew\r")
    person.see("mew\r\nmew\r\n")
    person.type("\x03")  # for the cat
    person.see("^C")
    person.see("# ")
    person.type("echo $((6 * 7)) é\r")
    person.see("\n42 é\r\n")
    person.process.setwinsize(30, 90)
    person.sees_size(30, 90)
    server.restart()
    person.see("\x1bc[1001 ")
    person.see("42 é\r\n", 30)  # again: the client is connected, who sends no key before
    person.type("echo $((40 + 3))\r")
    person.see("\n43\r\n")
    person.sees_size(30, 90)
    assert server.post(f"/v1/dockbox/{box}/stop").status_code == 200
    person.see("[1000 The dockbox was stopped.]\r\n")
    assert person.process.wait() == 0


def test_the_client_in_the_docs_waits_longer_and_longer_for_a_server_that_is_away(
    server: Server, box: str, person: Person
) -> None:
    person.see("# ")
    begun = time.monotonic()
    server.kill()
    for _ in range(3):
        person.see("\x1bc[1006 ", 20)
    assert time.monotonic() - begun > 2  # 0.5 and 1.5; never less, however slow all is
    server.start()
    person.see("# ", 20)
    person.type("\x1d")
    assert person.process.wait() == 0


def frames(subprotocol: str) -> list[tuple[str, bytes]]:
    """The example of a protocol's bytes: who sends them, and what."""
    heading = subprotocol or "Raw"
    (section,) = re.findall(rf"^## {heading}\n(.*?)^## ", DOCS, re.MULTILINE | re.DOTALL)
    found = []
    for who, line in re.findall(r"^    (client|server)  →  (.*)$", section, re.MULTILINE):
        words = re.findall(r"#.*|[0-9a-f]{2}\b|'[^']*'|\"[^\"]*\"", line)
        found.append((who, b"".join(_bytes(word) for word in words if word[0] != "#")))
    return found


def _bytes(word: str) -> bytes:
    return str(ast.literal_eval(word)).encode() if word[0] in "'\"" else bytes.fromhex(word)


@pytest.mark.parametrize("subprotocol", ["", "tty"])
def test_the_bytes_in_the_docs_are_those_on_the_wire(
    server: Server, box: str, subprotocol: str
) -> None:
    wire = frames(subprotocol)
    last = max(number for number, (who, _) in enumerate(wire) if who == "client")
    with server.connect(box) as other:
        other.send(b"stty -echo; printf 'g''o'; cat\r")
        other.read_until(b"go")
        client = server.connect(box, subprotocols=[subprotocol] if subprotocol else [])
        for number, (who, data) in enumerate(wire):
            if number == last:  # what comes after this is the answer to the example
                client.send(b"0sync\r" if subprotocol else b"sync\r")
                client.read_until(b"sync\r\n")
            if who == "client":
                client.socket.sock.sendall(data)
            else:
                assert _receive(client, len(data)) == data
    assert len(wire) == {"": 2, "tty": 5}[subprotocol]


def _receive(client: Terminal, size: int) -> bytes:
    client.socket.sock.settimeout(10)
    data = b""
    while len(data) < size and (more := client.socket.sock.recv(size - len(data))):
        data += more
    return data
