"""PostgreSQL goes away for a while."""

from __future__ import annotations

import time

import pytest

from ...support.internals import Rows, on_two_workers
from ...support.postgres import Postgres
from ...support.server import Server
from ...support.waiting import eventually

pytestmark = [
    pytest.mark.parametrize("cluster", ["postgres"], indirect=True),
    pytest.mark.postgres,
]


def quickly_refused(server: Server, method: str, path: str, **more: object) -> None:
    began = time.monotonic()
    answer = server.request(method, path, **more)
    assert (answer.status_code, answer.json()) == (
        503, {"error": "The database cannot be reached.", "code": "database_unavailable"},
    )  # fmt: skip
    assert time.monotonic() - began < 10


def test_without_the_database_terminals_go_on_and_calls_are_refused(
    server: Server, postgres: Postgres, rows: Rows, url: str
) -> None:
    id, other = server.create(url)["id"], server.create(url)["id"]
    with on_two_workers(server, id) as (stays, leaves), server.connect(other) as last:
        stays.run("answer=42")
        last.run("echo here")
        eventually(lambda: rows.one("SELECT count(*) FROM connections") == 3, 10, "three of them")
        postgres.stop()
        try:
            assert stays.run("echo $answer") == "42\n"
            quickly_refused(server, "GET", f"/v1/dockbox/{id}")
            quickly_refused(server, "GET", "/v1/dockbox")
            quickly_refused(server, "POST", "/v1/dockbox", json={"url": url})
            quickly_refused(server, "DELETE", f"/v1/dockbox/{id}")
            assert server.get("/health").status_code == 200
            said = {"database": "The database cannot be reached.", "docker": "ok"}
            eventually(lambda: server.get("/ready").json() == said, 10, "what is not ready")
            assert server.get("/ready").status_code == 503
            leaves.close()
            last.close()
            assert stays.run("echo $answer") == "42\n"
        finally:
            postgres.start()
        eventually(lambda: server.get("/ready").status_code == 200, 20, "the database")
        # within two heartbeats both who left are known to have left, and who stayed to be there
        eventually(lambda: server.box(id)["connections"] == 1, 20, "one connection")
        server.wait_state(other, "stopped", 30)
        assert stays.run("echo $answer") == "42\n"
        assert (server.box(id)["state"], server.box(id)["stops_at"]) == ("running", None)
    server.wait_state(id, "stopped", 20)


def test_a_server_starts_before_its_database_in_production(
    server: Server, postgres: Postgres, url: str
) -> None:
    server.stop()
    settings = dict(server.settings)
    server.settings |= {"ENVIRONMENT": "production", "AUTH": "none"}
    postgres.stop()
    try:
        server.start()
        quickly_refused(server, "GET", "/v1/dockbox")
    finally:
        postgres.start()
        server.settings = settings
    try:
        eventually(lambda: server.get("/ready").status_code == 200, 20, "the database")
        with server.connect(server.create(url)["id"]) as terminal:
            assert terminal.run("echo here") == "here\n"
    finally:
        server.stop()
