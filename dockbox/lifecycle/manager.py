"""This worker's connections and sessions, by dockbox."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection

from gevent.event import AsyncResult

from ..errors import DockboxError
from ..greenlets import Greenlets
from ..terminal.client import Client
from ..terminal.session import Session


class ConnectionManager:
    """Who is connected here, and the one session of each dockbox.

    What is to be done is decided under the lock and returned; doing it is the caller's, outside.
    """

    def __init__(self, greenlets: Greenlets) -> None:
        self._greenlets = greenlets
        self._lock = threading.Lock()  # guards the three below
        self._clients: dict[str, dict[str, Client]] = defaultdict(dict)
        self._sessions: dict[str, AsyncResult[Session]] = {}
        self._counted: dict[str, str | None] = {}  # with the tokens that let them in

    def __repr__(self) -> str:
        return f"<ConnectionManager {sum(map(len, self._clients.values()))} connections>"

    def connect(self, dockbox: str, client: Client) -> str:
        """Note a client; returns the new connection's id."""
        connection = str(uuid.uuid4())
        with self._lock:
            self._clients[dockbox][connection] = client
        return connection

    def disconnect(self, dockbox: str, connection: str) -> bool:
        """Forget a client; whether it was the last one here."""
        with self._lock:
            clients = self._clients[dockbox]
            clients.pop(connection, None)
            self._counted.pop(connection, None)
            if clients:
                return False
            del self._clients[dockbox]
            return True

    def count(self, connection: str, token: str | None = None) -> None:
        """Note that the connection, which ``token`` let in, is in the database."""
        with self._lock:
            self._counted[connection] = token

    def token(self, connection: str) -> str | None:
        """The id of the token that let in a connection that is in the database, if any."""
        return self._counted.get(connection)

    def here(self) -> dict[str, str]:
        """The dockbox of every connection."""
        with self._lock:
            return {c: box for box, clients in self._clients.items() for c in clients}

    def counted(self) -> dict[str, str]:
        """The dockbox of every connection that is in the database, as far as is known here."""
        return {c: box for c, box in self.here().items() if c in self._counted}

    def clients(self, dockbox: str | None = None) -> list[Client]:
        """The clients of one dockbox, or all."""
        with self._lock:
            chosen = self._clients.values() if dockbox is None else [self._clients.get(dockbox, {})]
            return [client for clients in chosen for client in clients.values()]

    def connections(self, dockbox: str, clients: Collection[Client]) -> list[str]:
        """The connections of these clients of the dockbox."""
        with self._lock:
            here = self._clients.get(dockbox, {})
            return [connection for connection, client in here.items() if client in clients]

    # --- sessions -------------------------------------------------------------------------

    def session(self, dockbox: str, open: Callable[[], Session]) -> Session:
        """The dockbox's session, made by ``open`` if there is none; others wait meanwhile.

        Raises what ``open`` raises, to all who waited.
        """
        with self._lock:
            found = self._sessions.get(dockbox)
            if found is None or (found.successful() and found.value.ended.is_set()):
                found = self._sessions[dockbox] = AsyncResult()
                # in a greenlet of its own: a client that leaves must not take others with it
                self._greenlets.spawn("open", self._open, dockbox, open, found, dockbox=dockbox)
        session: Session = found.get()
        return session

    def _open(
        self, dockbox: str, open: Callable[[], Session], result: AsyncResult[Session]
    ) -> None:
        try:
            session = open()
        except BaseException as error:
            with self._lock:
                if self._sessions.get(dockbox) is result:
                    del self._sessions[dockbox]
            result.set_exception(error)
            if not isinstance(error, DockboxError):
                raise
            return
        result.set(session)

    def sessions(self) -> list[Session]:
        """All that are open."""
        with self._lock:
            return [found.value for found in self._sessions.values() if found.successful()]

    def present(self, dockbox: str) -> Session | None:
        """The session that is open."""
        with self._lock:
            found = self._sessions.get(dockbox)
        return found.value if found is not None and found.successful() else None

    def abandon(self, dockbox: str) -> Session | None:
        """Forget the dockbox's session, unless someone is here; returns it, to be closed."""
        with self._lock:
            found = self._sessions.get(dockbox)
            if dockbox in self._clients or found is None or not found.successful():
                return None
            del self._sessions[dockbox]
        session: Session = found.value
        return session

    def ended(self, dockbox: str, session: Session) -> None:
        """Forget a session, unless a newer one has its place."""
        with self._lock:
            found = self._sessions.get(dockbox)
            if found is not None and found.successful() and found.value is session:
                del self._sessions[dockbox]
