"""The first output of a container, whoever starts it and whenever the stream begins."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from dockbox.config import Config
from dockbox.errors import NotRunning
from dockbox.greenlets import Greenlets
from dockbox.lifecycle.control import Control
from dockbox.lifecycle.manager import ConnectionManager
from dockbox.lifecycle.opening import Opening
from dockbox.lifecycle.watch import Watcher
from dockbox.runtime.base import Runtime
from dockbox.terminal.client import Client

from .world import Database

PROMPT = b"bash# "


class Docker:
    """An engine whose stream may begin later than it was asked for: no real one does when told.

    With ``others``, somebody else starts the container just before us, and the stream begins after
    the prompt.
    """

    def __init__(self, others: bool) -> None:
        self.others, self.running = others, False
        self.log, self.live = b"", b""

    def print(self, data: bytes, heard: bool = True) -> None:
        self.log += data
        self.live += data if heard else b""

    # --- the runtime

    def attach(self, container: str) -> Docker:
        return self

    def recent(self, container: str) -> bytes:
        return self.log[: self.log.rfind(b"\n") + 1]  # whole lines

    def mark(self, container: str, token: str) -> None:
        if not self.running:
            raise NotRunning()
        self.print(b"\x1b]dockbox;" + token.encode() + b"\r\n\x1b\\")

    def start(self, container: str) -> bool:
        self.running = True
        self.print(PROMPT, heard=not self.others)
        return not self.others

    # --- the stream

    def settle(self, quiet: float, most: float, size: int) -> bytes:
        data, self.live = self.live, b""
        return data

    def recv(self, size: int = 65536) -> bytes:
        return self.settle(0, 0, size)

    def close(self) -> None:
        pass


class Screen:
    """A client that is shown what is ``shown``."""

    full = closing = False

    def __init__(self) -> None:
        self.shown = b""

    def offer(self, data: bytes) -> None:
        self.shown += data

    def close(self, code: int, reason: str) -> None:
        pass


@pytest.mark.parametrize("before", ["running", "stopped"])
@pytest.mark.parametrize("others", [True, False])
def test_a_newcomer_sees_the_first_prompt_once(
    db: Database, tmp_path: Path, others: bool, before: str
) -> None:
    config: Any = Config(
        environment="development", port=1, docker_server_host="unix:///nothing", database_name="",
        database_host="", database_port=None, database_user="", database_password="",
        mount_point=tmp_path,
    )  # fmt: skip
    greenlets, docker = Greenlets(nullcontext), Docker(others)
    runtime = cast(Runtime, docker)
    control = Control(config, runtime, Watcher(greenlets), db.worker())
    opening = Opening(config, runtime, ConnectionManager(greenlets), control, greenlets)
    session = opening.open(db.box("running", container_id="c"), before)
    screen = Screen()
    assert session.join(cast(Client, screen))
    session.pump()
    assert screen.shown == PROMPT
