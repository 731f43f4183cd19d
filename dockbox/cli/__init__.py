"""``flask --app wsgi dockbox …``: what an operator types.  Each module is a command or a group.

They work on database and engine themselves and need no server.
"""

from __future__ import annotations

from typing import Any

import click
from flask.cli import AppGroup

from ..errors import DockboxError
from .boxes import delete, list_, show, stop
from .doctor import examine
from .gc import collect
from .images import images
from .tokens import token
from .version import version


class Commands(AppGroup):
    """Whatever is raised on purpose is told in one sentence, and the exit code is 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DockboxError as error:
            raise click.ClickException(error.message) from None


dockbox = Commands("dockbox", help="Operate dockbox.")
for command in (list_, show, stop, delete, examine, collect, images, token, version):
    dockbox.add_command(command)
