"""A PostgreSQL cluster of the tests' own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from itertools import count
from pathlib import Path

import psycopg2

from .processes import Missing, end, free_port, launch
from .run import Run
from .waiting import eventually

USER, PASSWORD = "dockbox-test", "p@ss/word:of the tests"  # what a URL would have to escape


class Postgres:
    """On a loopback port; its data may be lost in a crash of the machine, so it is quick."""

    def __init__(self, run: Run, name: str = "postgres") -> None:
        self._run = run
        self.folder = run.folder / name
        self.port = free_port()
        self.log_file = self.folder / "log"
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if not self.folder.exists():
            self._initialise()
        data = str(self.folder / "data")
        command = [binary("postgres"), "-D", data, "-p", str(self.port), "-k", str(self.folder)]
        for setting in ("listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off"):
            command += ["-c", setting]
        self._process = launch(
            command, self.log_file, self._run.environment(), self.folder, _user()
        )
        eventually(self._answers, 60, "an answer of PostgreSQL")

    def _initialise(self) -> None:
        initdb, user = binary("initdb"), _user()
        self.folder.mkdir()
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if user:
            shutil.chown(self.folder, user, user)
        command = [
            initdb, "-D", str(self.folder / "data"), "-U", USER, f"--pwfile={secret}",
            "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
        ]  # fmt: skip
        made = launch(command, self.log_file, self._run.environment(), self.folder, user)
        if made.wait(60) != 0:
            raise RuntimeError(f"initdb failed:\n{self.log_file.read_text()}")

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended at once:\n{self.log_file.read_text()}")
        try:
            self._execute("SELECT 1")
        except psycopg2.OperationalError:
            return False
        return True

    def _execute(self, statement: str) -> None:
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname="postgres"
        )
        try:
            connection.autocommit = True  # a database cannot be made in a transaction
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def database(self) -> dict[str, str]:
        """Make a new, empty database; the settings that name it."""
        name = f"test-{next(self._numbers)}"
        self._execute(f'CREATE DATABASE "{name}"')
        return {
            "DATABASE_NAME": name, "DATABASE_HOST": "127.0.0.1", "DATABASE_PORT": str(self.port),
            "DATABASE_USER": USER, "DATABASE_PASSWORD": PASSWORD,
        }  # fmt: skip

    @property
    def pid(self) -> int:
        """Of the process that all others of it are children of."""
        assert self._process
        return self._process.pid

    def stop(self) -> None:
        if self._process:
            end(self._process, signal.SIGINT, 20)  # "fast": clients are cut off
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()


def _user() -> str:
    """PostgreSQL refuses to run as root; Debian's package comes with a user for it."""
    return "postgres" if os.geteuid() == 0 else ""


def binary(name: str) -> str:
    """The path of one of PostgreSQL's programs."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    found = shutil.which(name, path=":".join([*map(str, reversed(homes)), os.environ["PATH"]]))
    if not found:
        raise Missing("PostgreSQL is missing: apt-get install postgresql (`make test` does)")
    return found
