"""One server, or everything at once, is cut off for longer than a heartbeat lasts."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...conftest import SERVERS
from ...support import images
from ...support.engine import Engine
from ...support.internals import Rows, asleep, connect_elsewhere, terminal_worker
from ...support.postgres import Postgres
from ...support.relay import Relay
from ...support.run import Run
from ...support.server import Server
from ...support.shared import new_box, shared_server
from ...support.site import Site
from ...support.waiting import eventually

EXPIRY, GAP = 15.0, 7.5  # as in dockbox/lifecycle/workers.py


def test_when_all_were_cut_off_nobody_is_taken_for_dead(
    server: Server, rows: Rows, url: str
) -> None:
    earlys, lates = (server.create(url, idle_timeout=0)["id"] for _ in range(2))
    with server.connect(earlys) as early, connect_elsewhere(server, lates, early) as late:
        early.run("echo here")
        late.run("answer=42", timeout=30)  # which others have just left, and so stopped
        workers = [terminal_worker(server, terminal) for terminal in (early, late)]
        with asleep(server, workers[1]), asleep(server, workers[0]):
            time.sleep(GAP + 1)
            rows("UPDATE workers SET heartbeat = heartbeat - :age", age=EXPIRY)
            old = rows.one("SELECT max(heartbeat) FROM workers")
            os.kill(workers[0], signal.SIGCONT)
            eventually(lambda: rows.one("SELECT max(heartbeat) FROM workers") > old, 15, "a beat")
            time.sleep(1)  # in which it would take the other for dead
        assert late.run("echo [$answer]") == "[42]\n"
        box = server.box(lates)
        assert (box["state"], box["connections"], box["stops_at"]) == ("running", 1, None)


@pytest.mark.postgres
@pytest.mark.parametrize("cluster", ["postgres"], indirect=True)
def test_a_server_that_is_cut_off_from_the_database_puts_its_connections_in_again(
    server: Server, postgres: Postgres, run: Run, rows: Rows, url: str, tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    wire = Relay(postgres.port)
    settings = dict(server.settings)
    lonely = Server(
        run, tmp_path, settings["DOCKER_SERVER_HOST"],
        {**{k: v for k, v in settings.items() if k.startswith("DATABASE")},
         "DATABASE_PORT": str(wire.port)},
        mount_point=server.mount, images_file=settings["IMAGES_FILE"], web_concurrency=1,
    )  # fmt: skip
    request.node.stash[SERVERS].append(lonely)
    lonely.start()
    try:
        id = server.create(url, idle_timeout=60)["id"]
        terminal = lonely.connect(id)
        terminal.run("answer=42")
        with wire.cut():
            rows.age_workers_of(id, EXPIRY)
            eventually(lambda: server.box(id)["connections"] == 0, 60, "given up by the others")
            eventually(lambda: server.box(id)["stops_at"], 10, "a place in the queue")
            assert terminal.run("echo $answer") == "42\n"
            assert lonely.get(f"/v1/dockbox/{id}").status_code == 503
        eventually(lambda: server.box(id)["connections"] == 1, 20, "the connection again")
        assert (server.box(id)["state"], server.box(id)["stops_at"]) == ("running", None)
        wire.break_connections()  # without an outage, a call is not even refused
        assert lonely.box(id)["connections"] == 1
        assert terminal.run("echo $answer") == "42\n"
    finally:
        lonely.stop()
        wire.close()


@pytest.fixture
def live(run: Run) -> Iterator[Engine]:
    engine = Engine(run, "live", ["--live-restore"])
    engine.start()
    engine.import_image(images.BASH)
    yield engine
    engine.close()


def test_shells_outlive_an_engine_with_live_restore(
    run: Run, live: Engine, site: Site, tmp_path: Path
) -> None:
    servers = shared_server(run, live, tmp_path, idle_timeout=60)
    server = next(servers)
    try:
        id = new_box(server, site)
        terminal = server.connect(id)
        terminal.run("answer=42")
        live.stop()
        assert terminal.close_code()[0] == 1011
        live.start()
        with server.connect(id) as terminal:
            assert terminal.run("echo [$answer]") == "[42]\n"
        assert server.box(id)["state"] == "running"
    finally:
        server.hang_up()
        servers.close()
