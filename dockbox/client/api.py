"""The HTTP API, as far as the commands need it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests import PreparedRequest, Response

from .errors import Failed, refused

Resource = dict[str, Any]
Report = Callable[[str, int | None, int | None], None]  # step, percentage, bytes
CONNECT, READ = 10, 40  # seconds; a stream of events has a comment each 15
PATIENCE = 60.0  # seconds that a stream of events may be cut off


class Server:
    """The server at ``url``, for whoever has ``token``, if one is needed."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session = requests.Session()
        self._session.auth = self._sign  # or requests would look for a password in ~/.netrc

    def _sign(self, request: PreparedRequest) -> PreparedRequest:
        request.headers.update(self.headers)
        return request

    def terminal(self, key: str) -> str:
        """The address of a dockbox's WebSocket."""
        scheme = "wss" if urlsplit(self.url).scheme == "https" else "ws"
        return f"{scheme}{self.url[self.url.index(':') :]}/v1/dockbox/ws/{quote(key, safe='')}"

    def create(self, order: dict[str, object]) -> Resource:
        """Begin to create what ``order`` says, and do not wait for it.  Raises ``Failed``."""
        answer = self._call("POST", "", json=order, headers={"Prefer": "respond-async"})
        try:
            box = dict(answer.json())
        except (ValueError, TypeError):
            box = {}
        if not {"id", "custom_id"} <= box.keys():
            raise self._stranger()
        return box

    def delete(self, id: str) -> None:
        """Raises ``Failed``."""
        self._call("DELETE", id)

    def created(self, key: str, report: Report) -> Resource:
        """Wait while it is being created; it is what it is then, perhaps ``failed``.

        A stream that breaks is begun again.  Raises ``Failed``.
        """
        cut: float | None = None  # when a stream that had told something ended
        began = time.monotonic()
        while True:
            told = False
            try:
                for name, data in self._events(key):
                    told = True
                    if name == "deleted":
                        raise Failed("It was deleted meanwhile.")
                    if name == "progress":
                        report(data["step"], data["percent"], data["bytes"])
                    elif data["state"] != "creating":
                        return dict(data)
                lost = self._stranger()
            except requests.RequestException as error:
                lost = self._lost(error)
                if cut is None and not told:
                    raise lost from None
            if told:
                cut = time.monotonic()
            if time.monotonic() - (cut or began) > PATIENCE:
                raise lost
            time.sleep(0.5)

    def _events(self, key: str) -> Iterator[tuple[str, Any]]:
        """Raises ``Failed``, or what requests does where it may be better soon."""
        with self._request("GET", f"{key}/events", stream=True) as answer:
            if answer.status_code >= 500:
                raise requests.HTTPError(_reason(answer))
            _check(answer)
            if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
                raise self._stranger()
            yield from parse(answer.iter_lines(decode_unicode=True))

    def _call(self, method: str, path: str, **more: Any) -> Response:
        try:
            answer = self._request(method, path, **more)
        except requests.RequestException as error:
            raise self._lost(error) from None
        _check(answer)
        return answer

    def _request(self, method: str, path: str, **more: Any) -> Response:
        address = f"{self.url}/v1/dockbox" + (f"/{quote(path)}" if path else "")
        return self._session.request(method, address, timeout=(CONNECT, READ), **more)

    def _stranger(self) -> Failed:
        return Failed(f"{self.url} does not answer as dockbox does.")

    def _lost(self, error: requests.RequestException) -> Failed:
        if isinstance(error, requests.exceptions.SSLError):
            return Failed(f"The certificate of {self.url} is not valid.")
        if isinstance(error, requests.ReadTimeout):
            return Failed(f"{self.url} did not answer in time.")
        if isinstance(error, requests.HTTPError):
            return Failed(str(error))
        return Failed(f"{self.url} cannot be reached.")


def _check(answer: Response) -> None:
    if not answer.ok:
        raise refused(answer.status_code, _reason(answer))


def _reason(answer: Response) -> str:
    return reason(answer.status_code, answer.content)


def reason(status: int, body: bytes | bytearray) -> str:
    """Why the server, or a proxy before it, refused."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"The server answered with HTTP status {status}."


def parse(lines: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Names and data of a ``text/event-stream`` whose data are JSON, a line each."""
    name = data = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data = value
        elif not line and name:
            yield name, json.loads(data)
            name = data = ""
