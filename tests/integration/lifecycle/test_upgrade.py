"""From one release to the next and back, with people at work: old and new servers side by side."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockbox import __version__

from ...conftest import SERVERS
from ...support.cluster import Cluster
from ...support.engine import Engine
from ...support.internals import Rows
from ...support.postgres import Postgres
from ...support.processes import Missing
from ...support.release import checkout
from ...support.run import Run
from ...support.server import Server
from ...support.terminal import Terminal

pytestmark = pytest.mark.postgres
# The last release whose tables differ from today's in what servers write: revision 0004.  Take a
# newer one when ``compatible_from`` in the migrations moves on.
OLD, OLD_TABLES = "9554c77d82", "0004"


@pytest.fixture
def cluster(
    run: Run, engine: Engine, postgres: Postgres, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """An old server, which runs, and a new one, which does not yet; the tables are the old ones."""
    settings = {"environment": "production", "auth": "none", "create_rate": 0, "web_concurrency": 1}
    made = Cluster(run, engine, tmp_path, postgres.database(), **settings)
    made.another()
    request.node.stash[SERVERS] = made.servers
    try:
        made.server.root = checkout(OLD, tmp_path / "old")
    except Missing as missing:  # in a clone without its history, which no test can mend
        made.close()
        pytest.skip(str(missing))
    migrate(made.server, "upgrade")
    made.server.start()
    yield made
    made.hang_up()
    made.close()


def migrate(server: Server, *command: str) -> None:
    """``flask db …`` by the code and with the settings of a server."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "db", *command],
        check=False, cwd=server.root, env=server.environment(), capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def moved(terminal: Terminal, server: Server, id: str) -> Terminal:
    """The server of ``terminal`` has ended: the terminal's client goes to another one."""
    assert terminal.close_code()[0] == 1001
    return server.connect(id)


def work_together(old: Server, new: Server, url: str) -> list[str]:
    """Each makes two dockboxes, and does everything else with one of the other's; what remains."""
    for maker, user in ((old, new), (new, old)):
        id = maker.create(url)["id"]
        with maker.connect(id) as first, user.connect(id) as second:
            first.run(f"shell=of-{id}")
            assert second.run("echo $shell; ls") == f"of-{id}\nmain.py\n"
            assert maker.box(id)["connections"] == user.box(id)["connections"] == 2
            assert user.post(f"/v1/dockbox/{id}/stop").status_code == 200
            assert first.close_code()[0] == second.close_code()[0] == 1000
        with user.connect(id) as again:
            assert again.run("ls") == "main.py\n"
        assert user.delete(f"/v1/dockbox/{id}").status_code == 204
        assert maker.get(f"/v1/dockbox/{id}").status_code == 404
    return [server.create(url)["id"] for server in (old, new)]


def test_a_rolling_upgrade_and_the_way_back_lose_no_dockbox_and_no_shell(cluster: Cluster) -> None:
    old, new = cluster.servers
    url = cluster.archive()
    id = old.create(url, name="kept")["id"]
    terminal = old.connect(id)
    terminal.run("shell=kept; echo hello > note")
    rows = Rows(new.settings)

    migrate(new, "upgrade")
    new.start()
    assert terminal.run("echo $shell") == "kept\n"
    assert {row[0] for row in rows("SELECT version FROM workers")} == {None, __version__}
    made = work_together(old, new, url)

    old.stop()
    terminal = moved(terminal, new, id)
    assert terminal.run("echo $shell") == "kept\n"

    old.start()  # which meets tables that are newer than itself
    new.stop()
    terminal = moved(terminal, old, id)
    migrate(new, "downgrade", OLD_TABLES)
    assert terminal.run("echo $shell; cat note") == "kept\nhello\n"
    made.append(old.create(url)["id"])
    assert {row[0] for row in rows("SELECT id FROM dockboxes")} == {id, *made}
    for one in made:
        with old.connect(one) as other:
            assert other.run("ls") == "main.py\n"
