"""What the API does not tell: rows of the database, and which worker holds a connection."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, NullPool, create_engine, text
from sqlalchemy.exc import OperationalError

from .run import ROOT
from .server import Server
from .terminal import Terminal
from .waiting import eventually


class Rows:
    """Statements on the database that ``settings`` names, each in a transaction of its own."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        name = settings["DATABASE_NAME"]
        if settings["DATABASE_HOST"]:
            url = URL.create(
                "postgresql+psycopg2", settings["DATABASE_USER"], settings["DATABASE_PASSWORD"],
                settings["DATABASE_HOST"], int(settings["DATABASE_PORT"]), name,
            )  # fmt: skip
        else:
            url = URL.create("sqlite", database=str(ROOT / "instance" / f"{name}.db"))
        self._engine = create_engine(url, poolclass=NullPool)

    def __call__(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        with self._engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def one(self, statement: str, **values: object) -> Any:
        """The first column of the first row, ``None`` without a row."""
        rows = self(statement, **values)
        return rows[0][0] if rows else None

    def age_workers_of(self, id: str, seconds: float) -> None:
        """As if the workers that hold connections of this dockbox were silent for longer."""
        self(
            "UPDATE workers SET heartbeat = heartbeat - :seconds WHERE id IN"
            " (SELECT worker_id FROM connections WHERE dockbox_id = :id)",
            id=id, seconds=seconds,
        )  # fmt: skip

    def age(self, seconds: float) -> None:
        """As if nothing had changed for longer, and a comparison with Docker were due."""
        self("UPDATE dockboxes SET last_modified = last_modified - :seconds", seconds=seconds)
        self("UPDATE installation SET reconciled_at = 0")


def worker_of(server: Server, client_port: int) -> int:
    """The pid of the worker that has accepted the connection from this local port."""
    return eventually(lambda: _holder(server, client_port), 10, "a worker that holds it")


def _holder(server: Server, client_port: int) -> int:
    ends = f":{server.port:04X}", f":{client_port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(ends[0]) and fields[2].endswith(ends[1]):
            for pid in server.worker_pids():
                if f"socket:[{fields[9]}]" in open_files(pid):
                    return pid
    return 0


def open_files(pid: int) -> list[str]:
    """What the file descriptors of a process lead to."""
    found = []
    with suppress(OSError):
        for entry in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found.append(os.readlink(f"/proc/{pid}/fd/{entry}"))
    return found


def terminal_worker(server: Server, terminal: Terminal) -> int:
    return worker_of(server, terminal.socket.sock.getsockname()[1])


@contextmanager
def on_two_workers(server: Server, id: str) -> Iterator[tuple[Terminal, Terminal]]:
    """Two terminals of a dockbox, each at another worker."""
    with server.connect(id) as first, connect_elsewhere(server, id, first) as second:
        # and not one of those in between, who are all at the worker of the first
        workers = (
            "SELECT count(*), count(DISTINCT worker_id) FROM connections WHERE dockbox_id = :id"
        )
        rows = Rows(server.settings)
        eventually(lambda: rows(workers, id=id) == [(2, 2)], 10, "two connections")
        yield first, second


def connect_elsewhere(server: Server, id: str, than: Terminal, query: str = "") -> Terminal:
    """A terminal at another worker ``than`` that one's."""
    used = terminal_worker(server, than)
    for _ in range(200):
        terminal = server.connect(id, query)
        if terminal_worker(server, terminal) != used:
            return terminal
        _leave(terminal)
    raise AssertionError("one worker got all 200 connections")


def _leave(terminal: Terminal) -> None:
    """Close, and wait for the server to do so: by then the connection is not counted any more."""
    terminal.socket.send_close()
    terminal.socket.sock.settimeout(20)
    while terminal.socket.sock.recv(65536):
        pass
    terminal.close()


@contextmanager
def asleep(server: Server, worker: int) -> Iterator[None]:
    """The worker is stopped meanwhile, and not in a transaction that all others would wait for."""
    rows, locked = Rows(server.settings), True
    try:
        while locked:
            os.kill(worker, signal.SIGSTOP)
            locked = False
            try:
                rows("UPDATE installation SET reconciled_at = reconciled_at")
            except OperationalError:  # SQLite's only lock is the worker's
                os.kill(worker, signal.SIGCONT)
                time.sleep(0.1)  # in which it commits
                locked = True
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def every_worker_says(server: Server, path: str) -> dict[int, Any]:
    """The JSON answer to a GET, by the pid of the worker that gave it."""
    wanted, found = set(server.worker_pids()), {}
    for _ in range(400):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            connection.request("GET", path)
            port = connection.sock.getsockname()[1]
            pid = worker_of(server, port)
            found[pid] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if set(found) == wanted:
            return found
    raise AssertionError(f"only {set(found)} of {wanted} answered")
