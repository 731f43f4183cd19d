"""``list``, ``show``, ``stop``, ``delete``: the dockboxes of this installation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
from flask.cli import with_appcontext

from .. import audit
from ..errors import DockboxError, NotFound
from ..lifecycle.control import Control
from ..lifecycle.lookup import Snapshot, find, page, snapshots
from ..logs import printable
from ..models import Dockbox
from .common import as_json, operator, print_json, services

STATES = ("creating", "stopped", "running", "stopping", "failed")
COLUMNS = ("custom_id", "state", "connections", "created_at", "image", "source")
AT_ONCE = 200  # rows of one statement
keys = click.argument("keys", metavar="DOCKBOX...", nargs=-1, required=True)


@click.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those that are so.")
@click.option("--token", metavar="ID", help="Only those that the token with this ID made.")
@as_json
@with_appcontext
def list_(state: str | None, token: str | None, as_json: bool) -> None:
    """All dockboxes, newest first."""
    found = _all(state, token)
    if as_json:
        print_json(list(found))
        return
    rows = [[_shown(box[name]) for name in COLUMNS] for box in found]
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    for row in [[name.replace("custom_id", "name") for name in COLUMNS], *rows]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def _all(state: str | None, token: str | None) -> Iterator[Snapshot]:
    after = None
    while True:
        items, after = page(AT_ONCE, after, state, token)
        yield from items
        if after is None:
            return


def _shown(value: Any) -> str:
    return "-" if value is None else printable(str(value))


@click.command()
@click.argument("key", metavar="DOCKBOX")
@as_json
@with_appcontext
def show(key: str, as_json: bool) -> None:
    """All that is known of one DOCKBOX, by its id or name."""
    box = _find(key)
    shown = snapshots([box.id]).get(box.id)
    if shown is None:
        raise _missing(key)
    shown["token"] = box.token_id
    if as_json:
        print_json(shown)
        return
    for name, value in shown.items():
        click.echo(f"{name:14} {_shown(value)}")


@click.command()
@keys
@as_json
@with_appcontext
def stop(keys: Sequence[str], as_json: bool) -> None:
    """Stop containers now; whoever is connected is told.  A new connection starts them again."""

    def work(control: Control, box: Dockbox) -> str:
        control.stop(box.id)
        found = find(box.id)
        return found.state if found else "deleted"

    _each("stop", [_find(key) for key in keys], work, as_json)


@click.command()
@keys
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@with_appcontext
def delete(keys: Sequence[str], yes: bool, as_json: bool) -> None:
    """Delete dockboxes: container, files and record."""
    boxes = [_find(key) for key in keys]
    if not yes:
        for box in boxes:
            click.echo(f"{box.custom_id}  {box.state}  {printable(box.source)}", err=True)
        click.confirm("Delete with all files?", abort=True, err=True)

    def work(control: Control, box: Dockbox) -> str:
        return "deleted" if control.delete(box.id) else "being deleted by who creates it"

    _each("delete", boxes, work, as_json)


def _find(key: str) -> Dockbox:
    box = find(key)
    if box is None:
        raise _missing(key)
    return box


def _missing(key: str) -> NotFound:
    return NotFound(f"There is no dockbox {printable(key)}.")


def _each(
    event: str, boxes: Sequence[Dockbox], work: Callable[[Control, Dockbox], str], as_json: bool
) -> None:
    """Do ``work`` on each, which returns its state; exit 1 when it failed on any."""
    done: list[dict[str, str | None]] = []
    with services().at_work() as control:
        for box in boxes:
            audit.record(event, box.id, by="operator", user=operator())
            one: dict[str, str | None] = {"id": box.id, "custom_id": box.custom_id}
            try:
                one |= {"state": work(control, box), "error": None}
            except DockboxError as error:
                one |= {"state": None, "error": error.message}
            done.append(one)
            if one["error"]:
                click.echo(f"Error: {box.custom_id}: {one['error']}", err=True)
            elif not as_json:
                click.echo(f"{box.custom_id}: {one['state']}")
    if as_json:
        print_json(done)
    if any(one["error"] for one in done):
        sys.exit(1)
