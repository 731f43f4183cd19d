"""docs/operating.md, backup and restore: on a new server, with a new database and a new engine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ..conftest import SERVERS
from ..support import images
from ..support.engine import Engine
from ..support.postgres import Postgres, binary
from ..support.run import Run
from ..support.world import World

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def other_engine(run: Run) -> Iterator[Engine]:
    """One that has never seen a dockbox."""
    made = Engine(run, "restored")
    made.start()
    made.import_image(images.BASH)
    yield made
    made.close()


def postgresql(program: str, database: Mapping[str, str], *options: str) -> None:
    command = [
        binary(program), "-h", database["DATABASE_HOST"], "-p", database["DATABASE_PORT"],
        "-U", database["DATABASE_USER"], "-d", database["DATABASE_NAME"], *options,
    ]  # fmt: skip
    secret = {"PGPASSWORD": database["DATABASE_PASSWORD"], "PATH": "/usr/bin:/bin"}
    subprocess.run(command, check=True, env=secret, timeout=60)


def test_what_was_saved_while_people_worked_is_there_on_another_engine(
    run: Run, engine: Engine, other_engine: Engine, postgres: Postgres, tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    before = World(run, engine, tmp_path, postgres.database(), web_concurrency=1)
    request.node.stash[SERVERS] = [before.server]
    dump, files = tmp_path / "dump", tmp_path / "files.tar"
    try:
        before.server.start()
        url = before.site.repository("project", {"main.py": "print('hello')\n"})
        kept, gone = (before.server.create(url, name=name)["id"] for name in ("kept", "gone"))
        with before.server.connect("kept") as terminal:
            terminal.run("echo mine > note; echo lost > /root/outside")
            postgresql("pg_dump", before.server.settings, "-Fc", "-f", str(dump))
            assert before.server.delete(f"/v1/dockbox/{gone}").status_code == 204
            mount = str(before.server.mount)
            subprocess.run(["tar", "-C", mount, "-cpf", str(files), "."], check=True)
    finally:
        before.close()

    folder = tmp_path / "restored"
    folder.mkdir()
    after = World(run, other_engine, folder, postgres.database(), web_concurrency=1)
    request.node.stash[SERVERS].append(after.server)
    try:
        subprocess.run(["tar", "-C", str(after.server.mount), "-xpf", str(files)], check=True)
        postgresql("pg_restore", after.server.settings, "--no-owner", str(dump))
        after.server.start()
        with after.server.connect(kept) as terminal:
            assert terminal.run("cat note; ls /root") == "mine\n"
        assert after.server.box("kept")["commit"]
        # its record is older than its end: it has no files, says so, and can be deleted
        with after.server.connect("gone") as terminal:
            assert terminal.close_code(20)[0] == 1011
        assert after.server.delete("/v1/dockbox/gone").status_code == 204
    finally:
        after.close()
