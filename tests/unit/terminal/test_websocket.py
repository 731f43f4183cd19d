"""The parser of what clients send, with garbage in the first place."""

from __future__ import annotations

import os
import socket
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection

from dockbox.terminal.websocket import Incoming, Refused

from .pair import socketpair

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def masked(payload: bytes, opcode: int = 2, fin: bool = True) -> bytes:
    key, size = os.urandom(4), len(payload)
    head = bytes([opcode | (0x80 if fin else 0)])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + struct.pack("!H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack("!Q", size)
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def receive(*sent: bytes, most: int = 10_000) -> tuple[list[bytes], list[bytes]]:
    """The messages and the pings of a client that sends ``sent`` and closes."""
    from wsproto.events import AcceptConnection

    near, far = socketpair()
    parser = WSConnection(ConnectionType.SERVER)
    parser.receive_data(HANDSHAKE)
    assert list(parser.events())
    parser.send(AcceptConnection())
    pings: list[bytes] = []
    far.sendall(b"".join(sent))
    far.shutdown(socket.SHUT_WR)
    incoming = Incoming(near, parser, most, lambda: None, pings.append)
    return list(incoming), pings


def test_text_and_binary_messages_are_bytes() -> None:
    messages, _ = receive(masked("ü".encode(), 1), masked(bytes(range(256)), 2))
    assert messages == ["ü".encode(), bytes(range(256))]


def test_fragments_make_one_message_with_a_ping_between_them() -> None:
    parts = [masked(b"a", 2, False), masked(b"hi", 9), *[masked(b"b", 0, False)] * 5000]
    messages, pings = receive(*parts, masked(b"c", 0))
    assert messages == [b"a" + b"b" * 5000 + b"c"] and pings == [b"hi"]


def test_nothing_comes_after_a_close() -> None:
    assert receive(masked(b"a"), masked(struct.pack("!H", 1000), 8), masked(b"b"))[0] == [b"a"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_message_above_the_bound_is_refused_with_1009(whole: bool) -> None:
    big = [masked(b"x" * 20_000)]
    if not whole:
        big = [masked(b"x" * 900, 2, False), *[masked(b"x" * 900, 0, False)] * 20]
    with pytest.raises(Refused) as refused:
        receive(*big)
    assert refused.value.args[0] == 1009


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x82\x05hello", 1002),  # not masked
        (masked(b"x", 3), 1002),  # a reserved opcode
        (masked(b"x" * 126, 9), 1002),  # a long ping
        (masked(b"\xff\xfe", 1), 1007),  # text that is not UTF-8
        (masked(b"x", 0), 1002),  # a continuation of nothing
        (b"GET / HTTP/1.1\r\n\r\n", 1002),
    ],
    ids=["not masked", "reserved", "a long ping", "no UTF-8", "continues nothing", "HTTP"],
)
def test_what_breaks_the_protocol_is_refused(sent: bytes, code: int) -> None:
    with pytest.raises(Refused) as refused:
        receive(sent)
    assert refused.value.args[0] == code


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=10))
def test_garbage_is_refused_or_ignored_but_never_a_crash(pieces: list[bytes]) -> None:
    try:
        messages, _ = receive(*pieces)
    except Refused as refused:
        assert 1000 <= refused.args[0] < 5000
    else:
        assert all(isinstance(message, bytes) for message in messages)
