"""WebSocket frames, whole and harmed: to the parser alone, and to a real server's terminal."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dockbox.terminal.websocket import Refused

from ..support.engine import Engine
from ..support.hostile import HANDSHAKE
from ..support.run import Run
from ..support.terminal import Terminal
from ..support.world import World, sqlite
from ..unit.terminal import pair
from ..unit.terminal.test_websocket import masked, receive
from .profile import fuzz

MOST = 3000  # bytes of a message, for the parser alone
TEXT = st.sampled_from([b"", b"a", "ü€".encode(), b"\xff\xfe", b"\xed\xa0\x80", b"\0", b"x" * 130])
PAYLOAD = st.one_of(TEXT, st.binary(max_size=40), st.just(b"y" * 2000), st.just(b"z" * 66_000))
FRAME = st.builds(
    masked, PAYLOAD, st.sampled_from([0, 1, 2, 1, 2, 8, 9, 10, 3, 11, 15, 0x42]), st.booleans()
)
CLOSE = st.sampled_from(
    [b"", b"\x03", b"\x03\xe8", b"\x03\xe8bye", b"\x00\x01", b"\x03\xed", b"\xff\xff\xff"]
)
LENGTHS = st.sampled_from([
    b"\x82\xff" + b"\xff" * 8 + b"mask", b"\x82\xff" + b"\0" * 8 + b"mask", b"\x82\xfe\0\x01maskx",
    b"\x89\xfe\x01\x00mask", b"\x82\x05hello", b"\xc2\x81mask.", b"\x82", b"\x82\xfe", b"",
])  # fmt: skip
WIRE = st.one_of(
    FRAME, FRAME, CLOSE.map(lambda payload: masked(payload, 8)), LENGTHS, st.binary(max_size=30)
)
STREAM = st.lists(WIRE, max_size=6).map(b"".join)
FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=3)


def flipped(data: bytes, flips: list[tuple[float, int]]) -> bytes:
    out = bytearray(data)
    for where, byte in flips:
        if out:
            out[int(where * len(out))] = byte
    return bytes(out)


@fuzz(200)
@given(STREAM, FLIPS)
@example(masked(b"z" * (MOST + 1)), [])
def test_frames_are_messages_or_refused(data: bytes, flips: list[tuple[float, int]]) -> None:
    data = flipped(data, flips)[:100_000]  # what a socket takes before anybody reads
    try:
        with gevent.Timeout(20):
            messages, pings = receive(data, most=MOST)
    except Refused as refused:
        code, reason = refused.args
        assert code in (1002, 1007, 1009) and reason.endswith(".")
    else:
        assert all(len(message) <= MOST for message in messages)
        assert all(len(ping) <= 125 for ping in pings)
    finally:
        while pair.OPENED:
            pair.OPENED.pop().close()


@pytest.fixture(scope="module")
def world(run: Run, engine: Engine, tmp_path_factory: Any) -> Iterator[World]:
    with sqlite() as database:
        folder = tmp_path_factory.mktemp("fuzz")
        world = World(run, engine, folder, database, web_concurrency=1)
        world.server.start()
        yield world
        world.close()


@pytest.fixture(scope="module")
def quiet(world: World) -> Iterator[tuple[str, Terminal]]:
    """A dockbox to be harmed, and a client in the terminal of another one.

    Of another, since what is typed at random may well stop a shell's output (Ctrl-S), and should.
    """
    harmed, other = (str(world.server.create(world.archive())["id"]) for _ in range(2))
    terminal = world.server.connect(other)
    yield harmed, terminal
    terminal.close()


def meet(world: World, id: str, head: str, data: bytes) -> bytes:
    """What the server says to one who connects, sends ``data`` and no more."""
    with socket.create_connection(("127.0.0.1", world.server.port), 20) as client:
        client.sendall(head.format(id, f"127.0.0.1:{world.server.port}").encode())
        got = client.recv(4096)
        if b" 101 " in got.partition(b"\r\n")[0]:
            with contextlib.suppress(OSError):  # hung up amid it
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while data := client.recv(65536):
                got = (got + data)[-1_000_000:]
        return got


TTY = HANDSHAKE.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: tty\r\n\r\n")


@pytest.mark.docker
@fuzz(25)
@given(STREAM, FLIPS, st.sampled_from([HANDSHAKE, TTY]))
def test_a_neighbour_and_the_worker_go_on_whatever_a_client_sends(
    world: World, quiet: tuple[str, Terminal], data: bytes, flips: list[Any], head: str
) -> None:
    id, terminal = quiet
    workers = world.server.worker_pids()
    meet(world, id, head, flipped(data, flips))
    assert "here" in terminal.run("echo he''re", timeout=30)
    assert world.server.worker_pids() == workers
    log = world.server.log()
    assert "Traceback" not in log and "unexpected" not in log
