"""``flask --app wsgi dockbox …``: what an operator types."""

from __future__ import annotations

import json
import sys

import click
from flask import current_app
from flask.cli import AppGroup

from . import doctor
from .auth import tokens
from .errors import DockboxError

dockbox = AppGroup("dockbox", help="Operate dockbox.")
token = AppGroup("token", help="API tokens, for AUTH=token.")
dockbox.add_command(token)


@dockbox.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
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


@token.command("create")
@click.argument("name")
@click.option("--admin", is_flag=True, help="It sees all dockboxes, and /metrics.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="How long it is good.")
def create(name: str, admin: bool, days: float | None) -> None:
    """Make a token called NAME and print it: it is shown only now."""
    try:
        _, text = tokens.create(name, admin, days * 86400 if days else None)
    except DockboxError as error:
        raise click.ClickException(error.message) from None
    click.echo(text)


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(as_json: bool) -> None:
    """All tokens, newest first, without their secrets."""
    try:
        found = [one.as_dict() for one in tokens.everyone()]
    except DockboxError as error:
        raise click.ClickException(error.message) from None
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for one in found:
        state = "revoked" if one["revoked_at"] else f"expires {one['expires_at'] or 'never'}"
        kind = "admin" if one["admin"] else "user"
        used = one["last_used_at"] or "never"
        click.echo(f"{one['id']}  {kind:<5}  {state}  last used {used}  {one['name']!r}")


@token.command("revoke")
@click.argument("id")
def revoke(id: str) -> None:
    """Make the token with this ID invalid; its terminals are closed."""
    try:
        tokens.revoke(id)
    except DockboxError as error:
        raise click.ClickException(error.message) from None
