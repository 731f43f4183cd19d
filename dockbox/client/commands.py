"""``python -m dockbox …``: the commands and their options."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any, TextIO
from urllib.parse import urlsplit

import click

from . import session
from .api import Resource, Server
from .errors import Failed, signalled
from .local import Local
from .progress import Bar

MOST = 4096  # characters of a token
LINGER = 1.0  # seconds


class Address(click.ParamType[str]):
    """Where a server is: http or https, and without a password, which others would see."""

    name = "server"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            parts = urlsplit(str(value))
            whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            whole = False
        if not whole or parts.query or parts.fragment:
            self.fail("It must be an address such as https://dockbox.example.org.", param, ctx)
        if parts.username is not None:
            self.fail("There is no place for a password: see DOCKBOX_TOKEN.", param, ctx)
        return str(value)


def _token(ctx: click.Context, param: click.Parameter, file: TextIO | None) -> str | None:
    """Of the file, else of the environment; a command line is seen by others."""
    text = os.environ.get("DOCKBOX_TOKEN", "")
    if file:
        with file:
            text = file.read(MOST)
    text = text.strip()
    if not (text.isascii() and text.isprintable()):
        raise click.UsageError("The token has characters that no token has.")
    return text or None


address = click.argument("url", metavar="SERVER", type=Address())
token_file = click.option(
    "--token-file", "token", type=click.File(errors="replace"), callback=_token,
    help="The file that has the token; without it, it is DOCKBOX_TOKEN's.",
)  # fmt: skip


class Commands(click.Group):
    """Ends by Ctrl-C as by any other signal; click has exit code 1 for it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise signalled(signal.SIGINT) from None


@click.group(cls=Commands)
def main() -> None:
    """Dockboxes, from one's own terminal."""


@main.command()
@address
@click.argument("key", metavar="DOCKBOX")
@click.option(
    "--linger", type=click.FloatRange(0), default=LINGER, show_default=True, metavar="SECONDS",
    help="After the end of input from a pipe, leave when there was no output for so long.",
)  # fmt: skip
@token_file
def connect(url: str, key: str, linger: float, token: str | None) -> None:
    """Open the terminal of a DOCKBOX, by its id or name.  ~. leaves, ~? helps."""
    _connect(Server(url, token), key, linger)


def _connect(server: Server, key: str, linger: float = LINGER) -> None:
    local = Local()
    if not local.types:  # or the steps of its creation would be taken for the output
        _await(server, key)
    session.run(server, key, local, linger)


@main.command()
@address
@click.argument("source", metavar="URL")
@click.option("--ref", help="Branch, tag or commit.")
@click.option("--subdir", metavar="FOLDER", help="Only this folder of it.")
@click.option("--image", help="Instead of the one for its language.")
@click.option("--name", help="By which to call the dockbox.")
@click.option(
    "--idle-timeout", type=click.IntRange(0), metavar="SECONDS",
    help="How long it runs on when nobody is connected.",
)  # fmt: skip
@click.option("--connect", "connects", is_flag=True, help="Open its terminal then.")
@click.option("--json", "as_json", is_flag=True, help="Print the dockbox as JSON, for programs.")
@token_file
def create(
    url: str, source: str, token: str | None, connects: bool, as_json: bool, **more: object
) -> None:
    """Create a dockbox with the code at URL, a repository's or an archive's."""
    if connects and as_json:
        raise click.UsageError("--connect and --json do not go together.")
    server = Server(url, token)
    wanted = {name: value for name, value in more.items() if value is not None}
    box = server.create({"url": source, **wanted})
    try:
        box = _await(server, box["id"])
    except KeyboardInterrupt:
        click.echo(f"It is being created all the same: {box['custom_id']}", err=True)
        raise
    if box["state"] == "failed":
        server.delete(box["id"])  # we were told, as by an answer that was waited for
        raise Failed(box["error"])
    if as_json:
        click.echo(json.dumps(box, indent=2))
    elif connects:
        _connect(server, box["id"])
    else:
        click.echo(box["custom_id"])


def _await(server: Server, key: str) -> Resource:
    """Show the progress of a dockbox while it is being created.  Raises ``Failed``."""
    bar = Bar(sys.stderr)
    try:
        return server.created(key, bar.show)
    finally:
        bar.clear()
