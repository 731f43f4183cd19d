"""What a check says, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property

from ..config import Config
from ..environment import Images
from ..runtime.probe import Probe

OK, FAILS, WARNS, UNKNOWN = "ok", "FAILS", "warns", "unknown"


@dataclass(frozen=True)
class Finding:
    """``state`` is one of the four above; ``todo`` says what to do about it, if anything."""

    state: str
    what: str
    todo: str = ""

    def __str__(self) -> str:
        return f"{self.state}: {self.what}" + (f" {self.todo}" if self.todo else "")

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


class Patient:
    """The installation that is examined."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.docker = Probe(config)

    @cached_property
    def image(self) -> str | None:
        """An image that dockboxes may have and the engine has already, the default one first."""
        named = (name for name in self.config.allowed_images if "*" not in name)
        return next(filter(self.docker.has_image, (*self.table, *named)), None)

    @cached_property
    def table(self) -> tuple[str, ...]:
        """The images of IMAGES_FILE, the default one first, each once."""
        images = Images.load(self.config.images_file)
        return tuple(dict.fromkeys((images.default, *images.languages.values())))

    @property
    def local(self) -> bool:
        """Whether the engine is on this host, so that its addresses are the engine's."""
        host = self.config.docker_server_host
        return host.startswith("unix:") or "//127." in host or "//localhost:" in host


Check = Callable[[Patient], Iterator[Finding]]
