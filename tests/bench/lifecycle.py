"""Rows about boxes: making one, and coming back to one that was stopped."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from dockbox.runtime import network
from dockbox.runtime.container import CAPABILITIES, ENVIRONMENT, SHELL
from tests.support import images
from tests.support.processes import program

from .report import COMMANDS, DOCKBOX, Aim, Row
from .rig import Box, Rig
from .shell import Shell

API = "API"
# What dockbox creates its containers with, as an operator would type it.
OPTIONS = [
    "--tty", "--interactive", "--init", "--workdir=/app", "--hostname=dockbox", "--user=0:0",
    "--stop-signal=SIGHUP", "--memory=1g", "--memory-swap=1g", "--cpus=1", "--pids-limit=512",
    "--cap-drop=ALL", "--security-opt=no-new-privileges", "--log-driver=local",
    "--log-opt=max-size=262144", "--log-opt=max-file=2", "--log-opt=compress=false",
    "--label=one=1", "--label=two=2", "--entrypoint=/bin/sh",
    *(f"--cap-add={name}" for name in CAPABILITIES),
    *(f"--env={name}={value}" for name, value in ENVIRONMENT.items()),
]  # fmt: skip
GREETING = """printf '%s\\n' 'echo "boot-$(</app/boot)."' >> ~/.bashrc\n"""


class Docker:
    """The docker command, at the bench's own engine."""

    def __init__(self, rig: Rig) -> None:
        self._command = [program("docker", "docker.io"), "--host", rig.engine.url]
        self._env = rig.run.environment()
        self._api: Any = rig.engine.client().api
        name = rig.dockbox.settings["CONTAINER_NETWORK"]
        network.ensure(self._api, name)
        self._options = [*OPTIONS, f"--network={name}"]

    def create(self, files: Path) -> str:
        mount = f"--mount=type=bind,source={files},target=/app"
        command = [*self._command, "create", *self._options, mount, images.BASH, "-c", SHELL]
        made = subprocess.run(command, check=True, capture_output=True, text=True, env=self._env)
        return made.stdout.strip()

    def start(self, container: str, marker: bytes) -> None:
        """Start it, attached, until ``marker`` is printed."""
        command = [*self._command, "start", "--attach", container]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=self._env) as process:
            assert process.stdout
            seen = b""
            while marker not in seen:
                got = os.read(process.stdout.fileno(), 65536)
                if not got:
                    raise RuntimeError(f"docker start ended; it printed {seen!r}")
                seen += got
            process.kill()

    def start_by_api(self, container: str) -> None:
        self._api.start(container)

    def stop(self, container: str) -> None:
        self._api.stop(container, timeout=0)

    def remove(self, container: str) -> None:
        self._api.remove_container(container, force=True)


def create(rig: Rig, url: str, rounds: int) -> list[Row]:
    """From the request to 201, against the two commands that it stands for."""
    row = Row("create", "s", COMMANDS, (Aim("ratio", "≤", 1.15),))
    docker = Docker(rig)
    for number in range(rounds + 1):
        start = time.perf_counter()
        box = rig.box(url)
        ours = time.perf_counter() - start
        rig.delete(box)
        target = rig.folder("clone") / "app"
        start = time.perf_counter()
        clone = ["git", "clone", "--quiet", "--depth", "1", url, str(target)]
        subprocess.run(clone, check=True, env=rig.run.environment())
        container = docker.create(target)
        theirs = time.perf_counter() - start
        docker.remove(container)
        if number:  # the first round warms up both
            row.add(DOCKBOX, ours)
            row.add(COMMANDS, theirs)
    return [row]


def reconnect(rig: Rig, box: Box, rounds: int) -> list[Row]:
    """From connecting to a stopped box to what its new shell prints first."""
    row = Row("connect to a stopped box", "s", COMMANDS, (Aim("ratio", "≤", 1.15),))
    bare = Row("the same against start and attach by API", "s", API)
    docker, files = Docker(rig), rig.folder("raw")
    container = docker.create(files)
    _prepare(rig, box, docker, container)
    for number in range(rounds + 1):
        numbers = {}
        for who in (DOCKBOX, COMMANDS, API):
            marker = f"boot-{number}{who}.".encode()
            for folder in (box.files, files):
                (folder / "boot").write_text(f"{number}{who}")
            start = time.perf_counter()
            if who == DOCKBOX:
                client = Shell(rig.address(DOCKBOX, box))
                client.until(marker)
            elif who == COMMANDS:
                docker.start(container, marker)
            else:
                docker.start_by_api(container)
                client = Shell(rig.direct(container, logs=True))
                client.until(marker)
            numbers[who] = time.perf_counter() - start
            if who != COMMANDS:
                client.close()
            rig.stop(box) if who == DOCKBOX else docker.stop(container)
        if number:
            row.add(DOCKBOX, numbers[DOCKBOX])
            bare.add(DOCKBOX, numbers[DOCKBOX])
            row.add(COMMANDS, numbers[COMMANDS])
            bare.add(API, numbers[API])
    docker.remove(container)
    return [row, bare]


def _prepare(rig: Rig, box: Box, docker: Docker, container: str) -> None:
    """Have every new shell print what is in /app/boot: the recent output is no first output."""
    docker.start_by_api(container)
    for address in (rig.address(DOCKBOX, box), rig.direct(container)):
        shell = Shell(address)
        shell.sync()
        shell.send(GREETING.encode())
        shell.sync()
        shell.close()
    rig.stop(box)
    docker.stop(container)
