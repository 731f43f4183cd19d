"""What several commands need."""

from __future__ import annotations

import getpass
import json
import math
import os
from typing import Any, cast

import click
from flask import current_app

from ..services import Services

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class Days(click.FloatRange):
    """A number of days, at most a hundred years' so that what they lead to is a date."""

    def __init__(self, min_open: bool = False) -> None:
        super().__init__(min=0, max=36500, min_open=min_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):  # which no range excludes, and PostgreSQL has after all times
            self.fail(f"{value} is not a number.", param, ctx)
        return number


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
