"""A client of dockbox's API, at a server or at the balancer before several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partialmethod
from typing import Any

import requests

from .terminal import Terminal
from .waiting import eventually


class Api:
    """All calls, at a loopback ``port``; over TLS with the file of an ``authority`` to trust."""

    def __init__(self, port: int, authority: str = "") -> None:
        self.port, self.authority = port, authority
        self.url = f"{'https' if authority else 'http'}://127.0.0.1:{port}"
        self.terminals: list[Terminal] = []

    def request(self, method: str, path: str, timeout: float = 60, **more: Any) -> Any:
        """An HTTP request, with what ``requests.request`` takes; a ``requests.Response``."""
        more.setdefault("verify", self.authority or True)
        return requests.request(method, self.url + path, timeout=timeout, **more)

    get = partialmethod(request, "GET")
    post = partialmethod(request, "POST")
    patch = partialmethod(request, "PATCH")
    delete = partialmethod(request, "DELETE")

    def create(self, url: str, **body: object) -> dict[str, Any]:
        """Create a dockbox and wait until it is there; the resource."""
        answer = self.post("/v1/dockbox", json={"url": url, **body})
        assert answer.status_code == 201, f"{answer.status_code} {answer.text}"
        return dict(answer.json())

    def box(self, key: str) -> dict[str, Any]:
        answer = self.get(f"/v1/dockbox/{key}")
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return dict(answer.json())

    def wait_state(self, key: str, state: str, timeout: float = 15) -> dict[str, Any]:
        """Wait until the dockbox is ``state``; the resource."""

        def reached() -> dict[str, Any] | None:
            box = self.box(key)
            return box if box["state"] == state else None

        found = eventually(reached, timeout, f"{key} being {state}", every=0.1)
        assert found is not None
        return found

    def connect(
        self, key: str, query: str = "", headers: Sequence[str] = (), **options: Any
    ) -> Terminal:
        """A terminal; ``query`` as in ``rows=40&cols=100``; ``options`` are ``Terminal``'s.

        The test's end closes it.
        """
        address = f"ws{self.url.removeprefix('http')}/v1/dockbox/ws/{key}"
        if self.authority:
            options["sslopt"] = {"ca_certs": self.authority}
        terminal = Terminal(f"{address}?{query}" if query else address, headers, **options)
        self.terminals.append(terminal)
        return terminal

    def hang_up(self) -> None:
        """Close every terminal."""
        while self.terminals:
            self.terminals.pop().close()
