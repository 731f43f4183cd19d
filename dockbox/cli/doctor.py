"""``doctor``: what is right and what is wrong."""

from __future__ import annotations

import json
import sys

import click
from flask import current_app
from flask.cli import with_appcontext

from .. import doctor


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_appcontext
def examine(as_json: bool) -> None:
    """Say what is right and what is wrong with this installation; exit 1 if anything is wrong."""
    found = []
    for finding in doctor.examine(current_app.extensions["dockbox"].config):
        found.append(finding)
        if not as_json:
            click.echo(str(finding))
    if as_json:
        click.echo(json.dumps([finding.as_dict() for finding in found], indent=2))
    if any(finding.state == doctor.FAILS for finding in found):
        sys.exit(1)
