"""Connections that break without a word, and workers that say goodbye."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from ..support.engine import Engine
from ..support.internals import terminal_worker, worker_of
from ..support.relay import Relay, dropped
from ..support.server import Server
from ..support.shared import new_box
from ..support.site import Site
from ..support.terminal import Closed, Terminal
from ..support.waiting import eventually

INTERVAL = 1  # second between pings
# It is the network, Docker and gunicorn that matter here, so production's database will do.
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("database", ["postgres"], indirect=True),
]


@pytest.mark.parametrize("flood", [False, True])
def test_a_client_whose_cable_was_cut_leaves_the_count_and_the_box_is_stopped(
    make_server: Callable[..., Server], site: Site, flood: bool
) -> None:
    server = make_server(ping_interval=INTERVAL, idle_timeout=1)
    id = new_box(server, site)
    terminal = server.connect(id)
    terminal.run("echo here")
    if flood:
        terminal.send(b"yes\r")
        terminal.read_until(b"y\r\ny\r\n")
    began = time.monotonic()  # before the first of the two rules that cut it
    with dropped(terminal.socket.sock.getsockname()[1]):
        eventually(lambda: server.box(id)["connections"] == 0, 20, "no connection")
        assert flood or time.monotonic() - began >= 2 * INTERVAL
        server.wait_state(id, "stopped")


@pytest.mark.parametrize("typing", [False, True])
def test_a_docker_engine_that_vanished_without_a_word_is_noticed(
    make_server: Callable[..., Server], engine: Engine, site: Site, typing: bool
) -> None:
    wire = Relay(engine.url.removeprefix("unix://"))
    server = make_server(docker=f"tcp://127.0.0.1:{wire.port}", ping_interval=INTERVAL)
    try:
        id = new_box(server, site)
        terminal = server.connect(id)
        terminal.run("echo here")
        began = time.monotonic()  # before the first of the two rules that cut it
        with dropped(wire.port):
            if typing:
                terminal.send(b"x")
            assert terminal.close_code(30) == (1011, "Docker cannot be reached.")
            assert time.monotonic() - began >= INTERVAL
        with server.connect(id) as terminal:
            assert terminal.run("echo again") == "again\n"
    finally:
        wire.close()


def test_who_reads_a_little_all_the_time_stays_although_its_answers_are_late(
    make_server: Callable[..., Server], site: Site
) -> None:
    server = make_server(ping_interval=INTERVAL, stall_timeout=10)
    id = new_box(server, site)
    small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]
    with server.connect(id, sockopt=small) as terminal:
        terminal.send(b"seq 1000000\r")
        sock, end = terminal.socket.sock, time.monotonic() + 6 * INTERVAL
        while time.monotonic() < end:  # what comes first in the next minutes is no ping
            assert sock.recv(1000)
            time.sleep(0.1)
        assert server.box(id)["connections"] == 1


def test_pings_keep_an_idle_connection_open(make_server: Callable[..., Server], site: Site) -> None:
    server = make_server(ping_interval=INTERVAL)
    id = new_box(server, site)
    with server.connect(id) as terminal:
        terminal.read_until(b"# ")
        terminal.socket.settimeout(10)
        pings = 0
        while pings < 5:  # longer than a client may be silent, and each is answered
            opcode, _ = terminal.socket.recv_data(control_frame=True)
            pings += opcode == 0x9
        assert terminal.run("echo here") == "here\n"


def connect_again(server: Server, id: str) -> Terminal:
    """A terminal that has been sent the recent output, by a worker that does not end as well."""

    def connected() -> Terminal | None:
        terminal = server.connect(id)
        try:
            terminal.read_until(b"before\r\n")
        except Closed as closed:
            assert closed.code == 1001
            return None
        return terminal

    found = eventually(connected, 20, "a terminal that stays")
    assert found
    return found


def use_up(server: Server, worker: int, requests: int) -> None:
    """Send this worker so many requests, and the others none: a new one would soon end as well."""
    while True:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            if worker_of(server, client.getsockname()[1]) == worker:
                client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * requests)
                with suppress(ConnectionError):  # it may end before it has read the last of them
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
                return


@pytest.mark.parametrize("how", ["a worker is ended", "reload", "max_requests"])
def test_a_worker_that_ends_says_so_at_once_and_the_shell_lives_on(
    make_server: Callable[..., Server], site: Site, how: str
) -> None:
    arguments = "--max-requests 60" if how == "max_requests" else ""
    server = make_server(gunicorn_cmd_args=arguments, idle_timeout=60)
    id = new_box(server, site)
    terminal = server.connect(id)
    terminal.run("answer=42; echo before")
    old = terminal_worker(server, terminal)
    assert server.process
    if how == "reload":
        server.process.send_signal(signal.SIGHUP)
    elif how == "max_requests":
        use_up(server, old, 60)
    else:
        os.kill(old, signal.SIGTERM)
    code, reason = terminal.close_code(10)
    assert (code, reason) == (1001, "This server is restarting. Connect again.")
    with connect_again(server, id) as again:
        assert terminal_worker(server, again) != old
        assert again.run('echo "[$answer]"') == "[42]\n"
        eventually(lambda: old not in server.worker_pids(), 15, "the old worker's end")
        assert server.box(id)["connections"] == 1
    # gunicorn waits for half a minute when a worker that is just beginning is told to end
    eventually(lambda: "dockbox_workers 2.0" in server.get("/metrics").text, 15, "two workers")
