"""``gc``: remove what nobody has used for long."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import DockboxError
from ..lifecycle.garbage import Item, policies
from .common import Days, as_json, print_json, services


@click.command("gc")
@click.option("--dry-run", "dry", is_flag=True, help="Remove nothing, say what would be.")
@click.option("--days", type=Days(), help="Instead of GC_AFTER_DAYS.")
@click.option("--images", is_flag=True, help="All idle images that dockbox has pulled.")
@as_json
@with_appcontext
def collect(dry: bool, days: float | None, images: bool, as_json: bool) -> None:
    """Remove what the settings say nobody has used for long: dockboxes, containers, images."""
    gone: list[Any] = []
    failed = False
    with services().at_work():  # what it has claimed is finished by others, if it is killed
        garbage, on = services().garbage, policies(services().config, days)
        boxes = garbage.listed(on) if dry else garbage.dockboxes(on)
        try:
            for items in (boxes, garbage.images(images, dry)):
                failed |= not _told(items, gone, "would " if dry else "", as_json)
        finally:
            if as_json:
                print_json({"dry_run": dry, "items": gone})
    if failed:
        sys.exit(1)


def _told(items: Iterator[Item], gone: list[Any], would: str, quiet: bool) -> bool:
    """Tell of each of ``items`` and put it into ``gone``; whether that were all."""
    try:
        for item in items:
            gone.append(asdict(item))
            if not quiet:
                click.echo(f"{would}{item.act}  {item.id or ''}  {item.name!r}  {item.reason}")
    except DockboxError as error:
        click.echo(f"Error: {error.message}", err=True)
        return False
    return True
