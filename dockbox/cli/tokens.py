"""``token``: who may call the API."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from ..auth import tokens
from .common import Days, as_json, print_json

token = AppGroup("token", help="API tokens, for AUTH=token.")


@token.command("create")
@click.argument("name")
@click.option("--admin", is_flag=True, help="It sees all dockboxes, and /metrics.")
@click.option("--days", type=Days(min_open=True), help="How long it is good.")
def create(name: str, admin: bool, days: float | None) -> None:
    """Make a token called NAME and print it: it is shown only now."""
    _, text = tokens.create(name, admin, days * 86400 if days else None)
    click.echo(text)


@token.command("list")
@as_json
def show(as_json: bool) -> None:
    """All tokens, newest first, without their secrets."""
    found = [one.as_dict() for one in tokens.everyone()]
    if as_json:
        print_json(found)
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
    tokens.revoke(id)
