"""What several commands need."""

from __future__ import annotations

import getpass
import json
import os
from typing import Any, cast

import click
from flask import current_app

from ..services import Services

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def services() -> Services:
    """The parts of this process, which serves nobody."""
    return cast(Services, current_app.extensions["dockbox"])


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))


def operator() -> str:
    """Who types, for the audit trail."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        return str(os.getuid())
