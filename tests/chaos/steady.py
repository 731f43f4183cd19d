"""Clients that stay: nobody may end their shell, and nobody may tell them to go."""

from __future__ import annotations

import random
import re
import time
import traceback

from tests.support.terminal import Terminal

from .client import Failed, connect, run
from .world import World

REST = 1.0  # seconds between two commands


class Steady:
    """Types into dockbox ``id`` about once a second and comes back whenever it is closed.

    The shell remembers a variable for each such client: an empty one is another shell.  That is
    excused when a fault ended the container, or when this client got no answer for the dockbox's
    ``idle_timeout``; to be told that somebody stopped it, by the latter only.
    """

    def __init__(self, world: World, id: str, name: str, seed: str) -> None:
        self._world, self._id, self._name, self._journal = world, id, name, world.journal
        self._choice = random.Random(seed)
        self._answer, self._typed = "", 0
        self._good = 0.0  # when the last answer came

    def live(self) -> None:
        while not self._world.over.is_set():
            try:
                self._stay()
            except Failed as failed:
                self._lost(failed)
            except Exception:
                self._journal.violation("the steady client is wrong", traceback.format_exc())
            self._world.over.wait(self._choice.uniform(0, 0.3))

    def _stay(self) -> None:
        server = self._world.server(self._choice)
        terminal = connect(server, self._id)
        try:
            self._check(terminal)
            self._journal.event(self._name, "steady", f"at {server.port}", "connected")
            while not self._world.over.wait(REST):
                self._check(terminal)
        finally:
            terminal.close()

    def _check(self, terminal: Terminal) -> None:
        """See that it is still the same shell.  Raises ``Failed``."""
        # others type there as well, and what they type may be in between
        output = run(terminal, f'echo "{self._name}=${self._name}."')
        answer = re.search(rf"{self._name}=(\d*)\.", output)
        found = answer[1] if answer else output
        if found != self._answer:
            excused = self._world.excused(self._id, self._good) or self._cut_off()
            what = f"it has {found!r}, not {self._answer!r}"
            self._judge("a shell in use was ended", what, excused)
            self._answer = ""
        if not self._answer:
            self._typed += 1
            self._answer = f"{self._typed}"
            run(terminal, f"{self._name}={self._answer}")
        self._good = time.monotonic()

    def _lost(self, failed: Failed) -> None:
        self._journal.event(self._name, "steady", "", str(failed))
        if str(failed) == "closed with 1000":
            why = repr(failed.__cause__)
            self._judge("a client in use was sent away", why, self._cut_off())
        if str(failed) in ("nothing came", "refused with 404", "refused with 500"):
            self._journal.violation(f"steady: {failed}", self._id)

    def _judge(self, name: str, what: str, excused: bool) -> None:
        away = time.monotonic() - self._good
        detail = f"{what}, {self._id}, last answer {away:.1f} s ago"
        if not excused:
            self._journal.violation(name, detail)
        else:
            self._journal.event(self._name, f"excused: {name}", detail)

    def _cut_off(self) -> bool:
        """Whether no answer came for so long that the dockbox may have been taken for idle."""
        rest = REST + 0.3  # it asked nothing meanwhile
        return time.monotonic() - self._good - rest >= self._world.idle_timeout
