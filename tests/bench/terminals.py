"""The peer terminado: Jupyter's terminal server, with ``docker attach`` as its command.

    python -m tests.bench.terminals PORT DOCKER ENGINE

Serves ``/terminal/<container>``.  All who are there share one ``docker attach``, which ends with
the last of them: an attach left behind would be paid for by whoever is measured next.
"""

from __future__ import annotations

import signal
import sys

from terminado import NamedTermManager, TermSocket
from terminado.management import PtyWithClients
from tornado.ioloop import IOLoop
from tornado.web import Application


class Attached(NamedTermManager):
    """One ``docker attach`` a container."""

    def __init__(self, docker: str, engine: str) -> None:
        super().__init__(shell_command=[])
        self._attach = [docker, "--host", engine, "attach"]

    def get_terminal(self, term_name: str) -> PtyWithClients:
        self.shell_command = [*self._attach, term_name]
        return super().get_terminal(term_name)

    def client_disconnected(self, websocket: TermSocket) -> None:
        terminal = websocket.terminal
        if terminal and not terminal.clients:
            terminal.killpg(signal.SIGHUP)


class Terminal(TermSocket):
    """A client that is sent every byte at once, which Tornado does not do by itself."""

    def open(self, url_component: str | None = None) -> None:
        self.set_nodelay(True)
        super().open(url_component)


def main() -> None:
    port, docker, engine = sys.argv[1:]
    route = (r"/terminal/(\w+)", Terminal, {"term_manager": Attached(docker, engine)})
    Application([route]).listen(int(port), "127.0.0.1")
    IOLoop.current().start()


if __name__ == "__main__":
    main()
