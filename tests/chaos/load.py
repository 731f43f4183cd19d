"""Clients that come, go, make and delete as they please."""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Callable

from tests.support.server import Server

from .client import Failed, call, connect, run
from .world import World

MOST = 8  # dockboxes of the load at a time
Action = Callable[[], None]


class Boxes:
    """The dockboxes that all clients of the load share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the list
        self._ids: list[str] = []

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, id: str) -> None:
        with self._lock:
            self._ids.append(id)

    def some(self, choice: random.Random) -> str | None:
        with self._lock:
            return choice.choice(self._ids) if self._ids else None

    def forget(self, id: str) -> None:
        with self._lock:
            if id in self._ids:
                self._ids.remove(id)


class Client:
    """One of them, until the world is ``over``."""

    def __init__(self, world: World, boxes: Boxes, name: str, seed: str) -> None:
        self._world, self._boxes, self._name = world, boxes, name
        self._journal, self._choice = world.journal, random.Random(seed)
        self._actions: list[tuple[Action, int]] = [
            (self.create, 3), (self.visit, 8), (self.stop, 1), (self.delete, 1), (self.list, 1),
            (self.get, 1), (self.visit_amid_create, 2), (self.visit_amid_delete, 1),
        ]  # fmt: skip

    def live(self) -> None:
        actions, weights = zip(*self._actions, strict=True)
        while not self._world.over.wait(self._choice.uniform(0, 0.5)):
            (action,) = self._choice.choices(actions, weights)
            try:
                action()
            except Exception:
                self._journal.violation("the load is wrong", traceback.format_exc())

    def _server(self) -> Server:
        return self._world.server(self._choice)

    def _call(self, method: str, path: str, **more: object) -> dict[str, object]:
        """What a call that went well has answered."""
        answer = call(self._journal, self._name, self._server(), method, path, **more)
        good = answer is not None and answer.ok and answer.content
        return dict(answer.json()) if answer is not None and good else {}

    # --- calls ----------------------------------------------------------------------------

    def _create(self, wait: bool) -> str | None:
        headers = {} if wait else {"Prefer": "respond-async"}
        made = self._call("POST", "/v1/dockbox", json={"url": self._world.url}, headers=headers)
        if "id" not in made:
            return None
        self._boxes.add(str(made["id"]))
        return str(made["id"])

    def create(self) -> None:
        if len(self._boxes) < MOST:
            self._create(wait=True)

    def stop(self) -> None:
        if id := self._boxes.some(self._choice):
            self._call("POST", f"/v1/dockbox/{id}/stop")

    def delete(self) -> None:
        if id := self._boxes.some(self._choice):
            self._delete(id)

    def _delete(self, id: str) -> None:
        answer = call(self._journal, self._name, self._server(), "DELETE", f"/v1/dockbox/{id}")
        if answer is not None and answer.status_code in (204, 404):
            self._boxes.forget(id)

    def list(self) -> None:
        self._call("GET", "/v1/dockbox")

    def get(self) -> None:
        if id := self._boxes.some(self._choice):
            self._call("GET", f"/v1/dockbox/{id}")

    # --- terminals ------------------------------------------------------------------------

    def visit(self) -> None:
        if id := self._boxes.some(self._choice):
            self._visit("visit", id)

    def visit_amid_create(self) -> None:
        if len(self._boxes) < MOST and (id := self._create(wait=False)):
            self._visit("visit amid create", id)

    def visit_amid_delete(self) -> None:
        if id := self._boxes.some(self._choice):
            deleting = threading.Thread(target=self._delete, args=(id,), daemon=True)
            deleting.start()
            time.sleep(self._choice.uniform(0, 0.3))
            self._visit("visit amid delete", id)
            deleting.join()

    def _visit(self, what: str, id: str) -> None:
        """Type once or more, and leave in one way or the other."""
        server, begun = self._server(), time.monotonic()
        stay, polite = self._choice.expovariate(1), self._choice.random() < 0.5
        try:
            outcome = self._stay(server, id, stay, polite)
        except Failed as failed:
            outcome = str(failed)
        took = time.monotonic() - begun
        self._journal.event(self._name, what, f"{id} at {server.port} in {took:.1f} s", outcome)
        if outcome in ("nothing came", "wrong echo"):
            self._journal.violation(f"a terminal has {outcome}", f"{what} {id} at {server.port}")

    def _stay(self, server: Server, id: str, stay: float, polite: bool) -> str:
        terminal = connect(server, id)
        try:
            end = time.monotonic() + stay
            while True:
                word = f"{self._choice.getrandbits(64):x}"
                if f"{word}\n" not in run(terminal, f"echo {word}"):
                    return "wrong echo"
                if time.monotonic() > end:
                    return "left" if polite else "vanished"
                time.sleep(0.2)
        finally:
            terminal.close() if polite else terminal.vanish()
