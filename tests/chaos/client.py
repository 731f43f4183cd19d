"""Calls and terminals as the clients use them: what a fault may do to them is told apart from
what nothing may."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
import websocket

from tests.support.server import Server
from tests.support.terminal import Closed, Terminal

from .journal import Journal

HANG = 60.0  # seconds after which whoever still waits has waited for too long


class Failed(Exception):
    """As a fault may make it fail; the argument is the outcome to be counted."""


def call(
    journal: Journal, who: str, server: Server, method: str, path: str, **more: Any
) -> requests.Response | None:
    """An API call's answer, ``None`` without one."""
    what, begun = f"{method} {_pattern(path)}", time.monotonic()
    answer: requests.Response | None = None
    try:
        answer = server.request(method, path, timeout=HANG + 15, **more)
        outcome = str(answer.status_code)
    except requests.ConnectionError:
        outcome = "no connection"
    except requests.RequestException as error:
        outcome = type(error).__name__
    took = time.monotonic() - begun
    where = f"{path} at {server.port} in {took:.1f} s"
    journal.event(who, what, where, outcome)
    if answer is not None and answer.status_code == 500:
        journal.violation("a call answers 500", f"{what} {where}: {answer.text}")
    if took > HANG:
        journal.violation("a call hangs", f"{what} {where}: {outcome}")
    return answer


def _pattern(path: str) -> str:
    parts = path.split("?")[0].split("/")
    return "/".join("ID" if len(part) == 36 else part for part in parts)


@contextmanager
def failing() -> Iterator[None]:
    """Whatever may happen to a terminal is ``Failed``."""
    try:
        yield
    except Closed as closed:
        raise Failed(f"closed with {closed.code}") from closed
    except websocket.WebSocketBadStatusException as refused:
        raise Failed(f"refused with {refused.status_code}") from refused
    except TimeoutError as late:
        raise Failed("nothing came") from late
    except (websocket.WebSocketException, OSError) as error:
        raise Failed("no connection") from error


def connect(server: Server, id: str) -> Terminal:
    """Raises ``Failed``."""
    with failing():
        return Terminal(f"ws://127.0.0.1:{server.port}/v1/dockbox/ws/{id}", timeout=HANG)


def run(terminal: Terminal, command: str, timeout: float = HANG) -> str:
    """The command's output.  Raises ``Failed``."""
    with failing():
        try:
            return terminal.run(command, timeout)
        except (websocket.WebSocketException, OSError) as error:
            if isinstance(error, TimeoutError) or terminal.closed:
                raise
            terminal.close_code(1)  # it could not be sent: the reason is still to be read
            raise
