"""What the server says of itself, and the bounds of a request before dockbox sees it."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ..conftest import SERVERS
from ..support.engine import Engine
from ..support.run import Run
from ..support.server import Server
from ..support.waiting import eventually
from ..support.world import World, sqlite

SLOW = 1.5  # seconds
WEBSOCKET = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
SOFTWARE = re.compile(r"(?i)(gunicorn|python|werkzeug|gevent|flask)[/ ]?[0-9]")


@pytest.fixture(scope="module")
def world(run: Run, engine: Engine, tmp_path_factory: Any) -> Iterator[World]:
    with sqlite() as database:
        folder = tmp_path_factory.mktemp("headers")
        world = World(run, engine, folder, database, web_concurrency=1, request_timeout=SLOW)
        world.server.start()
        yield world
        world.close()


@pytest.fixture
def server(request: pytest.FixtureRequest, world: World) -> Server:
    request.node.stash[SERVERS] = [world.server]
    return world.server


def dial(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 20)


def ask(server: Server, words: str | bytes) -> tuple[int, str, str]:
    """Status, head and the beginning of the body that come for what is sent."""
    with dial(server) as client:
        client.sendall(words.encode() if isinstance(words, str) else words)
        got = b""
        while b"\r\n\r\n" not in got and (data := client.recv(4096)):
            got += data
        head, _, body = got.partition(b"\r\n\r\n")
        size = re.search(rb"Content-Length: (\d+)", head)
        while size and len(body) < int(size[1]) and (data := client.recv(4096)):
            body += data
    return int(got[9:12]), head.decode(), body.decode()


def refused(answer: tuple[int, str, str], status: int, code: str) -> None:
    found, head, body = answer
    assert found == status, answer
    assert "Content-Type: application/json" in head
    assert json.loads(body)["code"] == code


def request(line: str = "GET /health HTTP/1.1", headers: str = "") -> str:
    return f"{line}\r\nHost: localhost\r\n{headers}\r\n"


def test_no_answer_tells_a_version(server: Server, world: World) -> None:
    box = server.create(world.archive())
    for words, status in (
        (request(), 200),
        (request("GET /nothing HTTP/1.1"), 404),
        (request("POST /v1/dockbox HTTP/1.1", "Content-Length: 1\r\n") + "{", 400),
        ("nonsense\r\n\r\n", 400),
        (request("GET / HTTP/9.9"), 400),
        (request(headers="Transfer-Encoding: nonsense\r\n"), 501),
        (request("GET /" + "x" * 5000 + " HTTP/1.1"), 414),
        (request(headers=f"X: {'x' * 9000}\r\n"), 431),
        (request(f"GET /v1/dockbox/ws/{box['id']} HTTP/1.1", WEBSOCKET), 101),
    ):
        found, head, body = ask(server, words)
        assert found == status, (words[:80], head, body)
        assert not SOFTWARE.search(head + body), head
        assert "<html" not in body
        named = re.findall(r"(?im)^server: *(.*?)\r?$", head)
        assert named in ([], ["gunicorn"])


def test_a_long_request_line_is_414(server: Server) -> None:
    assert ask(server, request(f"GET /health?{'x' * 4000} HTTP/1.1"))[0] == 200
    refused(ask(server, request(f"GET /health?{'x' * 4100} HTTP/1.1")), 414, "uri_too_long")


def test_many_or_large_headers_are_431(server: Server) -> None:
    code = "request_header_fields_too_large"
    assert ask(server, request(headers="".join(f"X-{n}: x\r\n" for n in range(60))))[0] == 200
    refused(ask(server, request(headers="".join(f"X-{n}: x\r\n" for n in range(80)))), 431, code)
    assert ask(server, request(headers=f"X: {'x' * 8000}\r\n"))[0] == 200
    refused(ask(server, request(headers=f"X: {'x' * 8200}\r\n")), 431, code)


def said(client: socket.socket) -> bytes:
    """What has come already, of a connection that is over."""
    got = b""
    with contextlib.suppress(OSError):
        while data := client.recv(4096):
            got += data
    return got


def drip(server: Server, begin: bytes, drops: bytes) -> bytes:
    """What the server says to one who sends ``drops`` again and again, until it hangs up."""
    got = b""
    with dial(server) as client:
        client.sendall(begin)
        client.settimeout(0.2)
        end = time.monotonic() + 20 * SLOW
        while time.monotonic() < end:
            try:
                client.sendall(drops)
                data = client.recv(4096)
            except TimeoutError:
                continue
            except OSError:  # the server has hung up; its words are there still
                return got + said(client)
            if not data:
                return got
            got += data
    raise AssertionError("nobody hung up")


def test_a_head_that_comes_byte_by_byte_is_cut_off(server: Server) -> None:
    got = drip(server, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-", b"a")
    assert got.startswith(b"HTTP/1.1 408 ")
    assert json.loads(got.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"


@pytest.mark.parametrize(
    ("how", "drops"),
    [("Content-Length: 5000", b" "), ("Transfer-Encoding: chunked", b"1\r\n \r\n"),
     ("Content-Length: 5000", b"")],
    ids=["by its length", "in chunks", "never"],
)  # fmt: skip
def test_a_body_that_comes_byte_by_byte_is_cut_off(server: Server, how: str, drops: bytes) -> None:
    begin = request("POST /v1/dockbox HTTP/1.1", f"{how}\r\n").encode()
    got = drip(server, begin, drops)
    assert got.startswith(b"HTTP/1.1 400 ")
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]
    assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    "chunks", [b"zz\r\n{}\r\n", b"2\r\n{}xx", b"-1\r\n\r\n", b"ffffffffff\r\n"]
)
def test_a_body_in_broken_chunks_is_400(server: Server, chunks: bytes) -> None:
    begin = request("POST /v1/dockbox HTTP/1.1", "Transfer-Encoding: chunked\r\n").encode()
    with dial(server) as client:
        client.sendall(begin + chunks)
        client.shutdown(socket.SHUT_WR)
        got = b""
        while data := client.recv(65536):
            got += data
    assert got.startswith(b"HTTP/1.1 400 "), got
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]


def test_a_connection_that_is_kept_and_a_terminal_are_not_in_a_hurry(
    server: Server, world: World
) -> None:
    box = server.create(world.archive())
    with dial(server) as client, server.connect(box["id"]) as terminal:
        begun = time.monotonic()
        for number in (1, 2, 3):
            eventually(lambda later=begun + number * SLOW: time.monotonic() > later, 20)
            client.sendall(request().encode())
            got = b""
            while not got.endswith(b"Server Functional!") and (data := client.recv(4096)):
                got += data
            assert got.startswith(b"HTTP/1.1 200"), number
        assert terminal.run("echo here", timeout=30) == "here\n"


def test_a_long_body_that_flows_has_the_time_that_it_takes(server: Server) -> None:
    pieces = [b" " * 5000] * 11
    with dial(server) as client:
        length = sum(map(len, pieces)) + 2
        head = f"POST /v1/dockbox HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        client.sendall(head.encode())
        for piece in pieces:
            client.sendall(piece)
            time.sleep(2 * SLOW / len(pieces))
        client.sendall(b"{}")
        assert client.recv(4096).startswith(b"HTTP/1.1 400 ")
