"""``doctor``: what is right and what is wrong."""

from __future__ import annotations

import sys

import click
from flask.cli import with_appcontext

from .. import doctor
from .common import as_json, print_json, services


@click.command("doctor")
@as_json
@with_appcontext
def examine(as_json: bool) -> None:
    """Say what is right and what is wrong with this installation; exit 1 if anything is wrong."""
    found = []
    for finding in doctor.examine(services().config):
        found.append(finding)
        if not as_json:
            click.echo(str(finding))
    if as_json:
        print_json([finding.as_dict() for finding in found])
    if any(finding.state == doctor.FAILS for finding in found):
        sys.exit(1)
