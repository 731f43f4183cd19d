"""How a command ends when it does not end well; docs/cli.md has the exit codes."""

from __future__ import annotations

import signal

from click import ClickException

FAILED, ENDED, NOT_ALLOWED = 1, 3, 4  # exit codes; 2 is click's, for wrong usage


class Failed(ClickException):
    """It could not be done: the message says why, in a sentence."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads the instance's


def refused(status: int, message: str) -> Failed:
    """What an HTTP ``status`` that is an error means."""
    return Failed(message, NOT_ALLOWED if status in (401, 403) else FAILED)


def signalled(number: signal.Signals) -> Failed:
    """A signal asks this process to end."""
    return Failed(f"Ended by {number.name}.", 128 + number)
