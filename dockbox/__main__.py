"""``python -m dockbox``: the user's commands."""

from .client.commands import main

main(prog_name="python -m dockbox")
