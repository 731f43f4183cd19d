"""The naive peer: what anyone writes first with Flask-Sock and docker-py.

No session shared by clients, no replay, no lifecycle, no answer to a client that stops reading.
It runs under the same gunicorn and gevent worker as dockbox and shows what dockbox adds.
"""

from gevent import monkey

monkey.patch_all()

import contextlib  # noqa: E402
import os  # noqa: E402
from typing import Any  # noqa: E402

import docker  # noqa: E402
import gevent  # noqa: E402
from flask import Flask  # noqa: E402
from flask_sock import Sock  # noqa: E402
from simple_websocket import Server  # noqa: E402

app = Flask(__name__)
sock = Sock(app)
api = docker.APIClient(os.environ["DOCKER_SERVER_HOST"], timeout=60)


class Whole:
    """A socket whose ``send`` sends everything: simple-websocket ignores how much was sent."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.send = inner, inner.sendall

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def output(attached: Any, ws: Server) -> None:
    with contextlib.suppress(Exception):
        while data := attached.recv(65536):
            ws.send(data)


@sock.route("/terminal/<container>")
def terminal(ws: Server, container: str) -> None:
    ws.sock = Whole(ws.sock)
    params = {"stdin": 1, "stdout": 1, "stream": 1}
    wrapper = api.attach_socket(container, params)
    attached = wrapper._sock
    attached.settimeout(None)
    reader = gevent.spawn(output, attached, ws)
    try:
        while True:
            data = ws.receive()
            attached.sendall(data.encode() if isinstance(data, str) else data)
    finally:
        reader.kill()
        with contextlib.suppress(OSError):
            attached.shutdown(2)
        wrapper._response.close()
        wrapper.close()
        attached.close()
