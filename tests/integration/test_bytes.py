"""Bytes, exactly as they are, in both directions."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
import websocket

from ..support.rawmode import digest, raw, read_exactly
from ..support.server import Server
from ..support.waiting import eventually

MB = 2**20
MOST = 8 * MB  # bytes in one message, as docs/protocol.md has it


@pytest.fixture
def server(shared: Server) -> Server:
    return shared


@pytest.fixture
def files(server: Server, box: str) -> Path:
    """What is ``/app`` in the container."""
    return server.mount / box


def test_fifty_megabytes_arrive_whole_at_a_reader_that_pauses(
    server: Server, box: str, files: Path
) -> None:
    data = os.urandom(50 * MB)
    (files / "data").write_bytes(data)
    with server.connect(box) as terminal, raw(terminal, "cat data"):
        got = []
        for size in (MB, 20 * MB, 20 * MB, 9 * MB):
            got.append(read_exactly(terminal, size))
            time.sleep(0.5)
        assert digest(b"".join(got)) == digest(data)


def test_five_megabytes_arrive_whole_in_the_shell(server: Server, box: str, files: Path) -> None:
    data, choose, sent = os.urandom(5 * MB), random.Random(5), 0
    with server.connect(box) as terminal, raw(terminal, f"head -c {len(data)} > got"):
        while sent < len(data):
            piece = data[sent : sent + int(choose.paretovariate(0.5))]
            terminal.send(piece)
            sent += len(piece)
    assert digest((files / "got").read_bytes()) == digest(data)


def test_both_directions_at_once(server: Server, box: str, files: Path) -> None:
    data, sent, got = os.urandom(2 * MB), 0, b""
    with server.connect(box) as terminal, raw(terminal, f"head -c {len(data)}"):
        while sent < len(data):
            terminal.send(data[sent : sent + 40_000])
            sent += 40_000
            if sent > 200_000:  # the shell is a little behind
                got += read_exactly(terminal, 40_000)
        got += read_exactly(terminal, len(data) - len(got))
    assert digest(got) == digest(data)


def test_every_byte_value_arrives(server: Server, box: str, files: Path) -> None:
    values = [bytes([value]) for value in range(256)]
    pairs = b"".join(a + b for a in values for b in values)
    # ctrl-p ctrl-q are Docker's own keys to detach with, and ctrl-@ is a zero
    keys = b"\x10\x11" * 3 + b"\x00\x10" + b"\x1b[A" + b"\xff\xfe" * 7 + b"\r"
    data = b"".join(values) + pairs + keys
    with server.connect(box) as terminal, raw(terminal, f"head -c {len(data)} | tee got"):
        for value in values:
            terminal.send(value)
        terminal.send(pairs)
        for key in keys:
            terminal.send(bytes([key]))
        assert digest(read_exactly(terminal, len(data))) == digest(data)
    assert digest((files / "got").read_bytes()) == digest(data)


def test_messages_of_any_kind_and_size_arrive_whole(server: Server, box: str, files: Path) -> None:
    sizes = [0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, 65537, MB, 0, MOST]
    messages = [os.urandom(size) for size in sizes]
    text = "Text, wie man ihn tippt: äöü €  𝄞\n" * 50
    data = b"".join(messages) + text.encode() + b"fragments"
    with server.connect(box) as terminal, raw(terminal, f"head -c {len(data)} > got"):
        for message in messages:
            terminal.send(message)
        terminal.send(text)
        for piece, opcode, last in (("frag", 2, 0), ("", 0, 0), ("men", 0, 0), ("ts", 0, 1)):
            frame = websocket.ABNF(last, 0, 0, 0, opcode, 1, piece)
            terminal.socket.send_frame(frame)
            terminal.socket.ping("between")
    assert digest((files / "got").read_bytes()) == digest(data)


def test_a_paste_of_one_megabyte_is_complete(server: Server, box: str, files: Path) -> None:
    line = "{}: a line of a pasted text, ünd some more of it\n"
    lines = "".join(line.format(number) for number in range(21_000))
    paste = lines.encode()
    assert len(paste) > MB
    with server.connect(box) as terminal:
        terminal.send(b"printf 'rea''dy'; cat > pasted; printf 'do''ne'\r")
        terminal.read_until(b"ready")
        terminal.send(paste)
        terminal.send(b"\x04")
        terminal.read_until(b"done", 60)
    assert digest((files / "pasted").read_bytes()) == digest(paste)


@pytest.mark.parametrize("whole", [True, False])
def test_a_message_above_the_bound_is_1009_and_the_shell_goes_on(
    server: Server, box: str, whole: bool
) -> None:
    with server.connect(box) as other:
        other.run("answer=42")
        terminal = server.connect(box)
        try:
            if whole:
                terminal.send(b"#" * (MOST + 1))
            else:
                for number in range(10):
                    frame = websocket.ABNF(0, 0, 0, 0, 0 if number else 2, 1, b"#" * MB)
                    terminal.socket.send_frame(frame)
        except OSError:
            pass  # closed while it was still being sent
        assert terminal.close_code() == (1009, "The message is too big.")
        assert other.run('echo "[$answer]"') == "[42]\n"
        eventually(lambda: server.box(box)["connections"] == 1, 10, "one connection")
