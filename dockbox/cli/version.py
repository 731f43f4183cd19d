"""``version``: what this is; ``doctor`` says what is at work."""

from __future__ import annotations

import json

import click

from .. import __version__, schema


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def version(as_json: bool) -> None:
    """This version of dockbox, and the revision of the tables that it was made for."""
    found = {"version": __version__, "tables": schema.wanted()}
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(f"dockbox {found['version']}, tables {found['tables']}")
