"""A client's visit: from the handshake to the shell, and out again."""

from __future__ import annotations

import contextlib

import gevent
from wsproto import WSConnection

from .. import metrics
from ..auth.identity import Identity
from ..config import Config
from ..errors import DatabaseUnavailable, DockboxError, NotFound, Unauthorized
from ..terminal.client import Client
from ..terminal.protocol import Flow, Input, Raw, Size, Tty
from ..terminal.traffic import Traffic
from ..terminal.websocket import (
    FAILED,
    GOING_AWAY,
    NO_CLOSE,
    NORMAL,
    NOT_ALLOWED,
    TOO_BIG,
    Incoming,
    Refused,
    Socket,
)
from . import queue
from .arrival import Admit, Arrivals, Visit
from .guests import Guests
from .manager import ConnectionManager
from .opening import Opening
from .sizes import Sizes

MOST_INPUT = 8 * 2**20  # bytes in one message
MOST_EARLY = 64 * 1024  # bytes typed before there is a shell
PENANCE = 1.0  # seconds in which who broke the protocol, and may do so again, waits for the end
LOBBY = ""  # instead of a dockbox's id, for clients whose token is still to come
HELLO, MOST_HELLO = 10.0, 4096  # seconds for that, and bytes of the message that has it
MOST_WAITING = 200  # clients there, in this worker
RESTARTING = "This server is restarting. Connect again."


class Visits:
    """Serves clients until they leave; ends them all when the worker ends."""

    def __init__(
        self, config: Config, manager: ConnectionManager, opening: Opening,
        sizes: Sizes, arrivals: Arrivals, guests: Guests,
    ) -> None:  # fmt: skip
        self._config, self._manager, self._opening = config, manager, opening
        self._sizes, self._arrivals, self._guests = sizes, arrivals, guests
        self._traffic = Traffic()
        self._closing = False

    def serve(
        self, id: str, sock: Socket, parser: WSConnection, protocol: Raw | Tty, size: Size | None,
        identity: Identity | None = None, admit: Admit | None = None,
    ) -> None:  # fmt: skip
        """Talk to the client of one WebSocket, whose handshake is done, until either ends it.

        ``identity`` is who it is.  Who is still to say so, in the first message of ttyd's
        protocol, waits in the ``LOBBY``.  ``admit`` is asked about what that message has.
        """
        metrics.CONNECTS.inc()
        client = Client(sock, protocol.prefix, self._traffic)
        if not identity:
            id = LOBBY
        connection = self._manager.connect(id, client)
        visit = Visit(id, client, protocol, None, connection, identity, admit)
        if visit.types:
            visit.size = size
        if not identity:
            gevent.spawn_later(HELLO, self._hurry, visit)
        self._guests.enter(client, identity)
        most = MOST_INPUT if identity else MOST_HELLO
        incoming = Incoming(sock, parser, most, client.hear, client.pong)
        if self._closing:
            client.close(GOING_AWAY, RESTARTING)
        if isinstance(protocol, Raw):
            self._arrivals.begin(visit)  # with ttyd's protocol the first message tells the size
        penance, by = 0.0, "server"
        try:
            for message in incoming:
                self._act(visit, message)
                incoming.most = MOST_INPUT
            by = "server" if client.closing else "client"
            client.close(NORMAL)
        except Refused as refused:
            client.close(*refused.args)
            penance = PENANCE
        finally:
            metrics.CLOSES.labels(by, client.closed[0] if client.closed else NO_CLOSE).inc()
            if visit.arrival:
                visit.arrival.kill()
            self._guests.leave(client)
            self._depart(visit)
            gevent.sleep(penance)
            client.wait_and_drop()

    @property
    def closing(self) -> bool:
        """Whether this worker is ending."""
        return self._closing

    @property
    def crowded(self) -> bool:
        """Whether the ``LOBBY`` is full."""
        return len(self._manager.clients(LOBBY)) >= MOST_WAITING

    def close(self) -> None:
        """Send everyone away, to connect again to another worker."""
        self._closing = True
        for client in self._manager.clients():
            client.close(GOING_AWAY, RESTARTING)

    @property
    def pause(self) -> float:
        """Seconds between two calls of ``keep_alive``."""
        return min(1.0, self._config.ping_interval / 4)

    def keep_alive(self) -> None:
        """Ping whoever is due, and look whether Docker is still there."""
        self.report()
        for session in self._manager.sessions():
            session.check()
        for client in self._manager.clients():
            client.keep_alive(self._config.ping_interval)
            gevent.sleep(0)  # a thousand of them must not hold up who types

    def report(self) -> None:
        """Add what went through the terminals since the last time to the metrics."""
        typed, sent = self._traffic.take()
        metrics.INPUT_BYTES.inc(typed)
        metrics.OUTPUT_BYTES.inc(sent)

    # --- what the client says ---------------------------------------------------------------

    def _act(self, visit: Visit, message: bytes) -> None:
        client = visit.client
        if client.closing:
            return
        action = visit.protocol.parse(message)
        if visit.arrival is None:
            self._admit(visit)
            visit.size = action if isinstance(action, Size) and visit.types else None
            self._arrivals.begin(visit)
            return
        if isinstance(action, Flow):
            client.resume() if action.on else client.pause()
        elif not visit.types:
            return  # who views only is not heard
        elif isinstance(action, Input):
            self._traffic.typed += len(action.data)
            if visit.session:
                visit.session.type(client, action.data)
                client.wait_for_input_room()
            else:
                visit.early.append(action.data)
                if sum(map(len, visit.early)) > MOST_EARLY:
                    raise Refused(TOO_BIG, "There is no shell yet for so much input.")
        elif isinstance(action, Size):
            visit.size = action
            if visit.session:
                self._sizes.tell(visit.id, visit.session.container, visit.connection, action)

    def _admit(self, visit: Visit) -> None:
        if not visit.admit or not isinstance(visit.protocol, Tty):
            return
        try:
            id, visit.identity = visit.admit(visit.protocol.token or "")
        except (Unauthorized, NotFound) as error:
            raise Refused(NOT_ALLOWED, error.message) from None
        except DockboxError as error:
            raise Refused(FAILED, error.message) from None
        self._manager.disconnect(visit.id, visit.connection)
        visit.id, visit.connection = id, self._manager.connect(id, visit.client)
        self._guests.enter(visit.client, visit.identity)

    @staticmethod
    def _hurry(visit: Visit) -> None:
        if visit.id == LOBBY:
            visit.client.close(NOT_ALLOWED, "No token came.")

    # --- out ----------------------------------------------------------------------------------

    def _depart(self, visit: Visit) -> None:
        if visit.session:
            visit.session.leave(visit.client)
        if self._manager.disconnect(visit.id, visit.connection):
            self._opening.abandon_later(visit.id)
        if visit.counted:
            with contextlib.suppress(DatabaseUnavailable):  # the next heartbeat sees to it
                queue.schedule(visit.id, visit.connection)
        if self._sizes.forget(visit.connection):
            self._sizes.fit(visit.id)
