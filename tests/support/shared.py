"""One server for many tests, where starting one for each would only cost time."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

from . import images
from .engine import Engine
from .run import ROOT, Run
from .server import Server
from .site import Site

URL = "project"  # of a small repository's path at the site


def shared_server(run: Run, engine: Engine, folder: Path, **settings: object) -> Iterator[Server]:
    """Two workers on a SQLite database of their own, until the generator ends."""
    name = f"test-{uuid.uuid4().hex}"
    others = ("DATABASE_HOST", "DATABASE_PORT", "DATABASE_USER", "DATABASE_PASSWORD")
    database = {"DATABASE_NAME": name, **dict.fromkeys(others, "")}
    table = folder / "images.toml"
    table.write_text(f'default = "{images.BASH}"\n\n[languages]\n')
    defaults: dict[str, object] = {
        "web_concurrency": 2, "stop_grace": 1, "private_sources": "127.0.0.0/8",
        "images_file": table, "allowed_images": "dockbox-test/*,127.0.0.1:*/*",
    }  # fmt: skip
    server = Server(run, folder, engine.url, database, **{**defaults, **settings})
    try:
        server.start()
        yield server
    finally:
        server.stop()
        for file in (ROOT / "instance").glob(f"{name}.db*"):
            file.unlink()


def new_box(server: Server, site: Site, image: str = images.BASH) -> str:
    """The id of a new dockbox with a file in it."""
    url = site.repository(URL, {"main.py": "print('hello')\n"})
    return str(server.create(url, image=image)["id"])
