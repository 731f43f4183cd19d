"""Two servers with two workers each on one PostgreSQL, and rows about who comes and goes there."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.support import images
from tests.support.internals import Rows
from tests.support.many import fill
from tests.support.postgres import binary
from tests.support.server import Server
from tests.support.waiting import eventually
from tests.support.world import tgz
from tests.unit.lifecycle.world import connected

from .client import Address, WebSocket
from .connecting import connect
from .report import DOCKBOX, Row
from .rig import Rig
from .servers import cpu, cpu_of_all

SERVERS, WORKERS = 2, 2
BOXES = 20  # that clients come to, so that few wait for each other's row
CLIENTS = 8  # of pgbench
# What one client's coming and going asks of the database, as dockbox does it.
TRANSACTIONS = r"""
\set number 10 * random(0, 19)
\set connection random(1, 1000000000000)
SELECT * FROM dockboxes WHERE (id = '00000000-0000-4000-8000-' || lpad(:number::text, 12, '0')
    OR custom_id = '-') AND deleted_at IS NULL;
BEGIN;
UPDATE dockboxes SET state = 'running', stops_at = NULL
    WHERE id = '00000000-0000-4000-8000-' || lpad(:number::text, 12, '0')
    AND deleted_at IS NULL AND state = 'running';
INSERT INTO connections (id, dockbox_id, worker_id)
    VALUES (:connection::text, '00000000-0000-4000-8000-' || lpad(:number::text, 12, '0'),
            'worker-0');
COMMIT;
BEGIN;
SELECT id FROM dockboxes
    WHERE id = '00000000-0000-4000-8000-' || lpad(:number::text, 12, '0') FOR UPDATE;
DELETE FROM connections WHERE id = :connection::text;
UPDATE dockboxes SET stops_at = extract(epoch from statement_timestamp())::float8 + idle_timeout
    WHERE id = '00000000-0000-4000-8000-' || lpad(:number::text, 12, '0')
    AND deleted_at IS NULL AND state = 'running' AND stops_at IS NULL
    AND NOT EXISTS (SELECT * FROM connections WHERE dockbox_id = dockboxes.id);
COMMIT;
"""


class Cluster:
    """Servers that share a database, the engine and a mount."""

    def __init__(self, rig: Rig) -> None:
        rig.engine.import_image(images.SH, images.SH)
        table = rig.folder("cluster") / "images.toml"
        table.write_text(f'default = "{images.SH}"\n')
        self.database = rig.postgres.database()
        self.rows = Rows(self.database)
        rig.site.files["/small.tar.gz"] = tgz({"top/main.py": "print('hello')\n"})
        self.source = f"{rig.site.url}/small.tar.gz"
        self.servers = [
            Server(
                rig.run, table.parent, rig.engine.url, self.database, images_file=table,
                private_sources="127.0.0.0/8", web_concurrency=WORKERS, access_log="",
                mount_point=table.parent / "mount", idle_timeout=3600, max_box_connections=10_000,
            )
            for _ in range(SERVERS)
        ]  # fmt: skip

    def address(self, number: int, box: str) -> Address:
        """The terminal of ``box`` at one server, in turn by ``number``."""
        server = self.servers[number % len(self.servers)]
        return Address(("127.0.0.1", server.port), f"/v1/dockbox/ws/{box}")

    def workers(self) -> list[int]:
        return [pid for server in self.servers for pid in server.worker_pids()]

    def clients(self) -> int:
        """How many the database knows of."""
        return int(self.rows.one("SELECT count(*) FROM connections"))


@contextmanager
def started(rig: Rig) -> Iterator[Cluster]:
    cluster = Cluster(rig)
    try:
        for server in cluster.servers:
            server.start()
        yield cluster
    except Exception as error:
        for server in cluster.servers:
            error.add_note(server.log()[-3000:])
        raise
    finally:
        for server in cluster.servers:
            server.stop()


def crowd(rig: Rig, rounds: int, number: int) -> list[Row]:
    """Clients that come, see the recent output and leave, at 2 servers x 2 workers."""
    name = f"connects and their ends over {SERVERS} x {WORKERS} workers"
    rate = Row(name, "a second", "pgbench")
    share = Row(f"{name}: workers' CPU", "s a second")
    load = Row(f"{name}: PostgreSQL's CPU", "s a second", "pgbench")
    per = Row(f"{name}: PostgreSQL's CPU for 1,000", "s", "pgbench")
    postmaster = rig.postgres.pid
    alone = _fill(rig)
    with started(rig) as cluster:
        addresses = _boxes(cluster)
        for _ in range(rounds):
            ours, database = sum(map(cpu, cluster.workers())), cpu_of_all(postmaster)
            start = time.perf_counter()
            connect(addresses, number, output=True)
            eventually(lambda: cluster.clients() == 0, 60, "the last one to have left")
            wall = time.perf_counter() - start
            database = cpu_of_all(postmaster) - database
            rate.add(DOCKBOX, number / wall)
            share.add(DOCKBOX, (sum(map(cpu, cluster.workers())) - ours) / wall)
            load.add(DOCKBOX, database / wall)
            per.add(DOCKBOX, database / number * 1000)
            # while the workers do no more than look at their queue
            start, database = time.perf_counter(), cpu_of_all(postmaster)
            done = _pgbench(rig, alone, number)
            database, wall = cpu_of_all(postmaster) - database, time.perf_counter() - start
            rate.add("pgbench", done)
            load.add("pgbench", database / wall)
            per.add("pgbench", database / number * 1000)
    return [rate, share, load, per]


def _boxes(cluster: Cluster) -> list[Address]:
    """Addresses of boxes that run, each at each server; nobody is there."""
    ids = [cluster.servers[0].create(cluster.source)["id"] for _ in range(BOXES)]
    addresses = [cluster.address(i, id) for i in range(SERVERS) for id in ids]
    for address in addresses:
        client = WebSocket(address)
        client.read()  # something for newcomers to be sent
        client.close()
    connect(addresses, 4 * len(addresses), output=True)  # or each worker would first attach
    eventually(lambda: cluster.clients() == 0, 30, "all to have left")
    return addresses


def _fill(rig: Rig) -> dict[str, str]:
    settings = rig.postgres.database()
    with connected(settings, rig.run.folder) as database:
        fill(1000, database.now())
    (rig.run.folder / "transactions.sql").write_text(TRANSACTIONS)
    return settings


def _pgbench(rig: Rig, settings: dict[str, str], number: int) -> float:
    """Comings and goings a second that the database can do by itself, of ``number``."""
    each = ["-c", str(CLIENTS), "-t", str(number // CLIENTS)]
    command: Sequence[str] = [
        binary("pgbench"), "-n", *each, "-f", str(rig.run.folder / "transactions.sql"),
        "-h", settings["DATABASE_HOST"], "-p", settings["DATABASE_PORT"],
        "-U", settings["DATABASE_USER"], settings["DATABASE_NAME"],
    ]  # fmt: skip
    environment = rig.run.environment(PGPASSWORD=settings["DATABASE_PASSWORD"])
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    found = re.search(r"tps = ([\d.]+) \(without", done.stdout)
    if done.returncode or not found:
        raise RuntimeError(f"pgbench: {done.stdout}{done.stderr}")
    return float(found[1])
