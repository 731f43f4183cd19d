"""A server with all around it, shared by the tests of a file: starting one costs more than most."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from . import images
from .engine import Engine
from .run import ROOT, Run
from .server import Server
from .site import Site

OTHERS = ("DATABASE_HOST", "DATABASE_PORT", "DATABASE_USER", "DATABASE_PASSWORD")


@contextmanager
def sqlite() -> Iterator[dict[str, str]]:
    """Settings of a new embedded database, removed at the end."""
    name = f"test-{uuid.uuid4().hex}"
    yield {"DATABASE_NAME": name, **dict.fromkeys(OTHERS, "")}
    for file in (ROOT / "instance").glob(f"{name}.db*"):
        file.unlink()


class World:
    """A server, its engine and its site; ``settings`` are dockbox's, in lower case."""

    def __init__(
        self, run: Run, engine: Engine, folder: Path, database: Mapping[str, str],
        **settings: object,
    ) -> None:  # fmt: skip
        self.engine, self.site = engine, Site(folder / "site")
        self.images_file = folder / "images.toml"
        self.images_file.write_text(f'default = "{images.BASH}"\n')
        defaults: dict[str, object] = {
            "web_concurrency": 2, "idle_timeout": 60, "stop_grace": 1,
            "private_sources": "127.0.0.0/8", "images_file": self.images_file,
            "allowed_images": "dockbox-test/*,127.0.0.1:*/*",
        }  # fmt: skip
        self.server = Server(run, folder, engine.url, database, **{**defaults, **settings})

    def archive(self, name: str = "small", files: Mapping[str, str | bytes] | None = None) -> str:
        """The URL of an archive: fetched in a fraction of the time that a clone takes."""
        self.site.files[f"/{name}.tar.gz"] = tgz(files or {"top/main.py": "print('hello')\n"})
        return f"{self.site.url}/{name}.tar.gz"

    def clean(self) -> None:
        """Delete every dockbox, whatever it is doing."""
        while items := self.server.get("/v1/dockbox?limit=200").json()["items"]:
            for box in items:
                self.server.delete(f"/v1/dockbox/{box['id']}")

    def close(self) -> None:
        """At once, without the seconds that good order takes."""
        self.server.kill()
        self.site.close()


def tgz(files: Mapping[str, str | bytes]) -> bytes:
    """A tar.gz of ``files``."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()
