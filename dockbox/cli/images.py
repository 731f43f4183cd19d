"""``images``: the engine's images, brought before anybody waits for them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from flask.cli import AppGroup

from ..client.progress import Bar
from ..environment.reference import Reference
from ..errors import DockboxError
from .common import as_json, print_json, services

PATIENCE = 10.0  # seconds for the engine's first answer

images = AppGroup("images", help="Images of the Docker engine.")


@images.command("pull")
@click.argument("names", metavar="[IMAGE]...", nargs=-1)
@as_json
def pull(names: Sequence[str], as_json: bool) -> None:
    """Pull the images of IMAGES_FILE that the engine lacks, or each IMAGE anew."""
    for name in names:
        if Reference.parse(name) is None:
            raise click.UsageError(f"{name!r} is not an image such as python:3.13.")
    services().runtime.ping(PATIENCE)  # or each image would wait in vain
    table = services().images
    wanted = dict.fromkeys(names or (table.default, *table.languages.values()))
    done = [_pull(name, anew=bool(names), quiet=as_json) for name in wanted]
    if as_json:
        print_json(done)
    if any(one["error"] for one in done):
        sys.exit(1)


def _pull(name: str, anew: bool, quiet: bool) -> dict[str, str | None]:
    bar, pulled = Bar(sys.stderr), False

    def report(step: str, percent: int | None, size: int | None) -> None:
        nonlocal pulled
        pulled = True
        bar.show(f"{step} {name}", percent, size)

    one: dict[str, str | None] = {"image": name, "state": "failed", "error": None}
    try:
        services().runtime.ensure_image(name, report, anew)
        one["state"] = "pulled" if pulled else "there"
    except DockboxError as error:
        one["error"] = error.message
    finally:
        bar.clear()
    if one["error"]:
        click.echo(f"Error: {one['error']}", err=True)
    elif not quiet:
        click.echo(f"{name}: {one['state']}")
    return one
