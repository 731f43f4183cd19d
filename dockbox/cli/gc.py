"""``gc``: remove what nobody has used for long."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict

import click
from flask import current_app
from flask.cli import with_appcontext

from ..errors import DockboxError
from ..lifecycle.garbage import policies


@click.command("gc")
@click.option("--dry-run", "dry", is_flag=True, help="Remove nothing, say what would be.")
@click.option("--days", type=click.FloatRange(min=0), help="Instead of GC_AFTER_DAYS.")
@click.option("--images", is_flag=True, help="All idle images that dockbox has pulled.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_appcontext
def collect(dry: bool, days: float | None, images: bool, as_json: bool) -> None:
    """Remove what the settings say nobody has used for long: dockboxes, containers, images."""
    services = current_app.extensions["dockbox"]
    on, garbage = policies(services.config, days), services.garbage
    boxes = garbage.listed(on) if dry else garbage.dockboxes(on)
    gone = []
    try:
        for item in itertools.chain(boxes, garbage.images(images, dry)):
            gone.append(asdict(item))
            if not as_json:
                would = "would " if dry else ""
                click.echo(f"{would}{item.act}  {item.id or ''}  {item.name!r}  {item.reason}")
    except DockboxError as error:
        raise click.ClickException(error.message) from None
    finally:
        if as_json:
            click.echo(json.dumps({"dry_run": dry, "items": gone}, indent=2))
