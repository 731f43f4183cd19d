"""``flask --app wsgi dockbox …``: what an operator types.  Each module is a command or a group."""

from __future__ import annotations

from flask.cli import AppGroup

from .doctor import examine
from .tokens import token

dockbox = AppGroup("dockbox", help="Operate dockbox.")
dockbox.add_command(examine)
dockbox.add_command(token)
