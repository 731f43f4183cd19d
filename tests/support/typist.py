"""A client that goes on typing through restarts, by what the close codes promise."""

from __future__ import annotations

import threading
import time
from collections.abc import Container

import websocket

from .api import Api
from .terminal import Closed, Terminal

GOING_AWAY = 1001
AWAY = (502, 503, 504)  # what a balancer answers for a server that is just going


class Typist:
    """Types into a dockbox, in a thread of its own, until ``end``.

    The shell counts its lines, so that one that is lost or doubled is seen, and another shell as
    well.  After close code 1001, and no other, it connects again, and tries once more when the
    answer is one of ``away``.
    """

    def __init__(self, api: Api, id: str, name: str, away: Container[int] = AWAY) -> None:
        self._api, self._id, self._name, self._away = api, id, name, away
        self.moves = 0  # how often it had to connect again
        self.typed = 0  # the last line whose answer was seen
        self.error: Exception | None = None
        self._done = threading.Event()
        self._terminal: Terminal | None = self._connect()
        self._terminal.run(f"{name}=0; echo {name}-0-", timeout=60)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def end(self, timeout: float = 90) -> None:
        """Raises what went wrong."""
        self._done.set()
        self._thread.join(timeout)
        if self.error or self._thread.is_alive():
            raise self.error or TimeoutError(f"{self._name} does not come to an end")

    def _work(self) -> None:
        try:
            while not self._done.is_set():
                try:
                    self._type(self._terminal or self._arrive())
                except Closed as closed:
                    if closed.code != GOING_AWAY:
                        raise
                    self._terminal = None
                    self.moves += 1
        except Exception as error:
            error.add_note(f"{self._name}, which had typed {self.typed}, moved {self.moves} times")
            self.error = error

    def _type(self, terminal: Terminal) -> None:
        """One line, and the next answer: after a move perhaps that to the line before."""
        name = self._name
        terminal.send(f"{name}=$(({name} + 1)); echo {name}'-'${name}'-'\r".encode())
        terminal.read_until(f"{name}-".encode(), 60)
        number = int(terminal.read_until(b"-", 60)[:-1])
        assert number == self.typed + 1, f"the answer to {self.typed + 1} was {number}"
        self.typed = number
        time.sleep(0.1)  # more would only be load

    def _arrive(self) -> Terminal:
        """At whichever server the balancer gives: what was on the screen is there again."""
        self._terminal = self._connect()
        self._terminal.read_until(f"{self._name}-{self.typed}-".encode(), 60)
        return self._terminal

    def _connect(self) -> Terminal:
        end = time.monotonic() + 60
        while True:
            try:
                return self._api.connect(self._id)
            except websocket.WebSocketBadStatusException as refused:
                if refused.status_code not in self._away or time.monotonic() > end:
                    raise
            time.sleep(0.05)
