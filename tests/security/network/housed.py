"""Containers made by dockbox's runtime on the host of a ``Lab``, and what they reach."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dockbox.config import Config
from dockbox.runtime.base import ContainerSpec
from dockbox.runtime.engine import Engine as Runtime

from ...support import images
from ...support.lab import ANSWER, Lab, execute
from ...support.waiting import eventually

# Prints what is answered, else how connecting failed.  Long, since a busy machine is no defence.
TRY = """
timeout {seconds} bash -c 'exec 3<>/dev/{by}/{address}/{port} && echo >&3 && head -c 4 <&3' 2>&1 ||
  echo "[$?]"
"""


@dataclass(frozen=True)
class Box:
    """A running container of a dockbox; ``files`` is its /app."""

    lab: Lab
    container: str
    files: Path

    def run(self, script: str) -> str:
        """What ``script`` prints, and ``code=`` with how it ended."""
        code, output = execute(self.lab.engine, self.container, script)
        return f"{output}code={code}"

    def reaches(
        self, address: str, port: int = 80, by: str = "tcp", seconds: int = 20, at_once: bool = True
    ) -> bool:
        """Whether somebody answers; if not, a refusal must come ``at_once``."""
        script = TRY.format(address=address, port=port, by=by, seconds=seconds)
        said = self.run(script)
        if said.startswith(ANSWER):
            return True
        if not at_once and said.startswith("Terminated"):
            return False
        # the last is head's word for the first
        refusals = "No route to host", "Permission denied", "Input/output error"
        assert any(words in said for words in refusals), (address, port, said)
        return False

    @property
    def network(self) -> dict[str, Any]:
        found = self.lab.engine.client().api.inspect_container(self.container)
        return dict(next(iter(found["NetworkSettings"]["Networks"].values())))

    @property
    def gateway(self) -> str:
        return str(self.network["Gateway"])

    @property
    def address(self) -> str:
        return str(self.network["IPAddress"])

    def serve(self) -> None:
        """Answer at port 80 as the lab's servers do."""
        # one that never stops listening: nobody is refused between two answers
        self.run(
            f"echo {ANSWER} >/app/answer; "
            "nc -ll -p 80 -e sh -c 'cat /app/answer; cat >/dev/null' >/dev/null 2>&1 &"
        )
        eventually(lambda: self.reaches("127.0.0.1"), 20, "an answer of its own")


def settings(lab: Lab, mount: Path, **more: Any) -> Config:
    return Config(
        environment="development", port=8000, docker_server_host=lab.engine.url,
        database_name="none", database_host="", database_port=None, database_user="",
        database_password="", mount_point=mount, container_network=lab.device, **more,
    )  # fmt: skip


@contextmanager
def new_box(lab: Lab, mount: Path, **more: Any) -> Iterator[Box]:
    """A dockbox's container, running; ``more`` are settings."""
    id = str(uuid.uuid4())
    files = mount / id
    files.mkdir(parents=True)
    runtime = Runtime(settings(lab, mount, **more), lambda: "security")
    container = runtime.create(ContainerSpec(id, images.BASH, files))
    try:
        runtime.start(container)
        yield Box(lab, container, files)
    finally:
        runtime.remove(id)
        runtime._client().close()  # or docker-py leaks its pooled sockets
