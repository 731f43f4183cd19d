"""Callers who want more than they may have, and how they are refused."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import websocket

from ..support.server import Server
from ..support.site import Site
from ..support.terminal import Closed

Answer = Any  # a ``requests.Response``


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [done.result() for done in [pool.submit(call) for call in calls]]


def statuses(answers: Sequence[Answer]) -> dict[int, int]:
    for answer in answers:
        if answer.status_code in (429, 503):
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
            assert set(answer.json()) == {"error", "code"}
    return dict(Counter(answer.status_code for answer in answers))


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


def refusal(server: Server, id: str, query: str = "", headers: Sequence[str] = ()) -> Any:
    """How the terminal is refused before the upgrade."""
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        server.connect(id, query, headers)
    return told(refused.value)


def told(refused: websocket.WebSocketBadStatusException) -> dict[str, Any]:
    if refused.status_code in (429, 503):
        assert 1 <= int(refused.resp_headers["retry-after"]) <= 600
    return {"status": refused.status_code, **json.loads(refused.resp_body)}


def come(server: Server, id: str, headers: Sequence[str] = ()) -> str:
    """Connect and stay; ``"in"``, or why not."""
    try:
        terminal = server.connect(id, headers=headers)
        terminal.read_until(b"# ", 30)
    except websocket.WebSocketBadStatusException as refused:
        found = told(refused)
        assert (found["status"], found["code"]) == (429, "quota_exceeded")
        return str(found["error"])
    except Closed as closed:
        assert closed.code == 1008
        return closed.reason
    return "in"


def boxes(server: Server, site: Site, number: int, **more: Any) -> list[str]:
    url = site.repository("project", {"main.py": "print('hello')\n"})
    made = [server.post("/v1/dockbox", json={"url": url}, **more) for _ in range(number)]
    return [str(answer.json()["id"]) for answer in made]
