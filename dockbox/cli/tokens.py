"""``token``: who may call the API."""

from __future__ import annotations

import json

import click
from flask.cli import AppGroup

from ..auth import tokens
from ..errors import DockboxError

token = AppGroup("token", help="API tokens, for AUTH=token.")


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
