"""dockbox as it runs in production: gunicorn, as a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partialmethod
from pathlib import Path
from typing import Any

import requests

from .processes import children, end, free_port, kill, launch
from .run import ROOT, Run
from .terminal import Terminal
from .waiting import eventually


class Server:
    """One server; ``settings`` are dockbox's, in lower case: ``idle_timeout=2``.

    ``database`` holds the five settings that start with DATABASE_.
    """

    def __init__(
        self, run: Run, folder: Path, docker: str, database: Mapping[str, str], **settings: object
    ) -> None:
        self._run = run
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.mount = Path(str(settings.pop("mount_point", folder / "mount")))
        self.mount.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / f"server-{self.port}.log"
        self.settings = {
            "ENVIRONMENT": "development", "HOST": "127.0.0.1", "PORT": str(self.port),
            "DOCKER_SERVER_HOST": docker, "MOUNT_POINT": str(self.mount), **database,
            **{name.upper(): str(value) for name, value in settings.items()},
        }  # fmt: skip
        self.app = "wsgi:app"
        self.process: subprocess.Popen[bytes] | None = None
        self.terminals: list[Terminal] = []

    def start(self, timeout: float = 30) -> None:
        gunicorn = str(Path(sys.executable).with_name("gunicorn"))
        command = [gunicorn, "-c", "deploy/gunicorn.conf.py", self.app]
        environment = self._run.environment(**self.settings)
        self.process = launch(command, self.log_file, environment, ROOT)
        eventually(self._answers, timeout, f"health of the server\n{self.log_file}")

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

    def request(self, method: str, path: str, timeout: float = 60, **more: Any) -> Any:
        """An HTTP request, with what ``requests.request`` takes; a ``requests.Response``."""
        return requests.request(method, self.url + path, timeout=timeout, **more)

    get = partialmethod(request, "GET")
    post = partialmethod(request, "POST")
    patch = partialmethod(request, "PATCH")
    delete = partialmethod(request, "DELETE")

    def create(self, url: str, **body: object) -> dict[str, Any]:
        """Create a dockbox and wait until it is there; the resource."""
        answer = self.post("/v1/dockbox", json={"url": url, **body})
        assert answer.status_code == 201, f"{answer.status_code} {answer.text}"
        return dict(answer.json())

    def box(self, key: str) -> dict[str, Any]:
        answer = self.get(f"/v1/dockbox/{key}")
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return dict(answer.json())

    def wait_state(self, key: str, state: str, timeout: float = 15) -> dict[str, Any]:
        """Wait until the dockbox is ``state``; the resource."""

        def reached() -> dict[str, Any] | None:
            box = self.box(key)
            return box if box["state"] == state else None

        found = eventually(reached, timeout, f"{key} being {state}", every=0.1)
        assert found is not None
        return found

    def connect(
        self, key: str, query: str = "", headers: Sequence[str] = (), **options: Any
    ) -> Terminal:
        """A terminal; ``query`` as in ``rows=40&cols=100``; ``options`` are ``Terminal``'s.

        The test's end closes it.
        """
        address = f"ws://127.0.0.1:{self.port}/v1/dockbox/ws/{key}"
        terminal = Terminal(f"{address}?{query}" if query else address, headers, **options)
        self.terminals.append(terminal)
        return terminal

    def hang_up(self) -> None:
        """Close every terminal."""
        while self.terminals:
            self.terminals.pop().close()
