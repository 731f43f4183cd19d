"""``gc``: remove what nobody has used for long."""

from __future__ import annotations

import itertools
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from ..lifecycle.garbage import policies
from .common import Days, as_json, print_json, services


@click.command("gc")
@click.option("--dry-run", "dry", is_flag=True, help="Remove nothing, say what would be.")
@click.option("--days", type=Days(), help="Instead of GC_AFTER_DAYS.")
@click.option("--images", is_flag=True, help="All idle images that dockbox has pulled.")
@as_json
@with_appcontext
def collect(dry: bool, days: float | None, images: bool, as_json: bool) -> None:
    """Remove what the settings say nobody has used for long: dockboxes, containers, images."""
    gone = []
    with services().at_work():  # what it has claimed is finished by others, if it is killed
        garbage, on = services().garbage, policies(services().config, days)
        boxes = garbage.listed(on) if dry else garbage.dockboxes(on)
        try:
            for item in itertools.chain(boxes, garbage.images(images, dry)):
                gone.append(asdict(item))
                if not as_json:
                    would = "would " if dry else ""
                    click.echo(f"{would}{item.act}  {item.id or ''}  {item.name!r}  {item.reason}")
        finally:
            if as_json:
                print_json({"dry_run": dry, "items": gone})
