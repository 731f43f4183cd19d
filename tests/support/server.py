"""dockbox as it runs in production: gunicorn, as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from .api import Api
from .processes import children, end, free_port, kill, launch
from .run import ROOT, Run
from .waiting import eventually


class Server(Api):
    """One server; ``settings`` are dockbox's, in lower case: ``idle_timeout=2``.

    ``database`` holds the five settings that start with DATABASE_.
    """

    def __init__(
        self, run: Run, folder: Path, docker: str, database: Mapping[str, str], **settings: object
    ) -> None:
        self._run = run
        super().__init__(free_port())
        self.mount = Path(str(settings.pop("mount_point", folder / "mount")))
        self.mount.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / f"server-{self.port}.log"
        self.settings = {
            "ENVIRONMENT": "development", "HOST": "127.0.0.1", "PORT": str(self.port),
            "DOCKER_SERVER_HOST": docker, "MOUNT_POINT": str(self.mount), **database,
            "CONTAINER_NETWORK": run.network(docker),
            **{name.upper(): str(value) for name, value in settings.items()},
        }  # fmt: skip
        self.app, self.root = "wsgi:app", ROOT  # where the code is
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, timeout: float = 60) -> None:
        self.process = launch(self.command(), self.log_file, self.environment(), self.root)
        eventually(self._answers, timeout, f"health of the server\n{self.log_file}")
        # gunicorn begins one after the other: the first may answer before there is a second
        workers = int(self.settings.get("WEB_CONCURRENCY") or 1)
        eventually(lambda: len(self.worker_pids()) >= workers, timeout, f"{workers} workers")

    def command(self) -> list[str]:
        gunicorn = str(Path(sys.executable).with_name("gunicorn"))
        return [gunicorn, "-c", "deploy/gunicorn.conf.py", self.app]

    def environment(self) -> dict[str, str]:
        """Of its process, and of commands for it."""
        return self._run.environment(**self.settings)

    def _answers(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"the server ended at once:\n{self.log()}")
        with contextlib.suppress(requests.RequestException):
            return self.get("/health", timeout=2).status_code == 200
        return False

    def stop(self, timeout: float = 40) -> None:
        """SIGTERM, as an orderly restart does."""
        if self.process:
            end(self.process, signal.SIGTERM, timeout)
            self.kill()

    def kill(self) -> None:
        """SIGKILL for the whole group: as if the machine had lost its power."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def worker_pids(self) -> list[int]:
        return children(self.process.pid) if self.process else []

    def kill_worker(self, pid: int) -> None:
        """kill -9 of one worker; gunicorn starts another."""
        kill([pid])

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def logged(self, **wanted: object) -> list[dict[str, Any]]:
        """Lines of a log in JSON with these fields, but not one that is just being written."""
        whole, _, _ = self.log().rpartition("\n")
        lines = [json.loads(line) for line in whole.splitlines()]
        return [line for line in lines if wanted.items() <= line.items()]
