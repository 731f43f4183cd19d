"""What every runtime can do: the one interface between dockbox and whatever runs containers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# Name of a step, its percentage and its bytes, where known.
Report = Callable[[str, int | None, int | None], None]


@dataclass(frozen=True)
class ContainerSpec:
    """A container to be made: ``mount`` on the engine's host becomes ``/app`` in it."""

    dockbox_id: str
    image: str
    mount: Path


@dataclass(frozen=True)
class ContainerInfo:
    """A container of ours as the engine reports it; ``exit_code`` is ``None`` where unknown."""

    id: str
    dockbox_id: str
    running: bool
    exit_code: int | None = None


@dataclass(frozen=True)
class Written:
    """What a container keeps besides ``/app``: bytes in its own file system, and its volumes."""

    bytes: int
    volumes: tuple[str, ...] = ()


class AttachStream(Protocol):
    """Both directions of a container's terminal.

    ``recv`` and ``sendall`` may run in two greenlets at once.  ``OSError`` means that the
    connection broke; nothing else is raised.
    """

    def recv(self, size: int = 65536) -> bytes:
        """Up to ``size`` bytes; ``b""`` when the container's terminal ended."""

    def send_now(self, data: bytes) -> int:
        """How many bytes of ``data`` went in without waiting, perhaps none."""

    def sendall(self, data: bytes | memoryview) -> None:
        """All of ``data`` into the terminal; blocks while the shell does not read."""

    def settle(self, quiet: float, most: float, size: int) -> bytes:
        """What comes until ``quiet`` seconds bring nothing; ``most`` seconds, ``size`` bytes."""

    def check(self) -> None:
        """Called often: close the connection if the other end has not answered for long."""

    def close(self) -> None:
        """Give up the connection and everything under it; safe to call at any time, twice."""


class Runtime(Protocol):
    """Containers, each known by its id.

    Raises ``RuntimeUnavailable`` (nobody answers), ``ContainerGone`` (no such container),
    ``NotRunning`` (it is stopped), ``ImageUnavailable`` and ``RuntimeFailed`` (the engine
    refused); nothing of docker-py leaves this folder.
    """

    def ping(self, timeout: float) -> None:
        """Return when the engine answers within ``timeout`` seconds."""

    def ensure_image(self, image: str, report: Report, anew: bool = False) -> bool:
        """Pull ``image`` unless it is there (the engine joins several pulls of one image).

        ``anew``: pull what the registry has by this name now, in any case.  Returns whether it
        was pulled.
        """

    def image_is_idle(self, image: str) -> bool | None:
        """Whether no container at all, ours or not, is made of it; ``None``: it is not there."""

    def remove_image(self, image: str) -> bool:
        """Remove ``image`` unless a container is made of it; whether it is gone."""

    def disk(self, image: str) -> float:
        """How full the file system of the engine's data is, in percent, as ``df`` counts it.

        Measured here if the engine is, else by a container of ``image``.
        """

    def create(self, spec: ContainerSpec) -> str:
        """Make the container, not started, and return its id.

        Asked again for the same dockbox, returns the one that exists.
        """

    def start(self, container: str) -> bool:
        """Start it; false when it runs already."""

    def stop(self, container: str, grace: int) -> None:
        """SIGHUP to all of it, after ``grace`` seconds SIGKILL; fine when stopped or gone."""

    def remove(self, dockbox_id: str, force: bool = True) -> None:
        """Remove the container of this dockbox, if there is one; running, only by ``force``."""

    def attach(self, container: str) -> AttachStream:
        """Connect to its terminal; the stream has what is printed from now on."""

    def recent(self, container: str) -> bytes:
        """What its terminal has printed lately, in whole lines.

        It may be a moment behind, and lacks the last line until that is ended.
        """

    def resize(self, container: str, rows: int, cols: int) -> None:
        """Set the size of its terminal."""

    def mark(self, container: str, token: str) -> None:
        """Print the mark with this token (``terminal.marks``), soon."""

    def redraw(self, container: str) -> None:
        """Let what runs in its terminal draw itself again, whatever the size is."""

    def inspect(self, container: str) -> ContainerInfo:
        """What it is now."""

    def list(self) -> list[ContainerInfo]:
        """All containers of this dockbox installation, running or not, in one call."""

    def written(self, container: str) -> Written:
        """What it has written elsewhere than to ``/app``."""

    def count(self, image: str, mount: Path, volumes: Sequence[str]) -> tuple[int, int]:
        """Bytes of disk and number of files in ``mount`` and ``volumes``, counted from inside a
        container, as root there, where the server may not look."""

    def clear(self, image: str, mount: Path) -> None:
        """Empty ``mount`` from inside a container, as root there, where the server may not."""
