"""This worker's connections and sessions, by dockbox."""

from __future__ import annotations

import threading
import uuid
from collections import defaultdict
from collections.abc import Callable

from gevent.event import AsyncResult

from ..terminal.client import Client
from ..terminal.session import Session


class ConnectionManager:
    """Who is connected here, and the one session of each dockbox.

    What is to be done is decided under the lock and returned; doing it is the caller's, outside.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the three dictionaries
        self._clients: dict[str, dict[str, Client]] = defaultdict(dict)
        self._sessions: dict[str, AsyncResult[Session]] = {}
        self._given_up: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<ConnectionManager {sum(map(len, self._clients.values()))} connections>"

    def connect(self, dockbox: str, client: Client) -> str:
        """Note a client; returns the new connection's id."""
        connection = str(uuid.uuid4())
        with self._lock:
            self._clients[dockbox][connection] = client
        return connection

    def disconnect(self, dockbox: str, connection: str) -> bool:
        """Forget a client; whether it was the dockbox's last in this worker."""
        with self._lock:
            clients = self._clients[dockbox]
            clients.pop(connection, None)
            if not clients:
                del self._clients[dockbox]
            return not clients

    def held(self) -> dict[str, str]:
        """Every connection's dockbox."""
        with self._lock:
            return {c: box for box, clients in self._clients.items() for c in clients}

    def clients(self, dockbox: str | None = None) -> list[Client]:
        """The clients of one dockbox, or all."""
        with self._lock:
            chosen = self._clients.values() if dockbox is None else [self._clients.get(dockbox, {})]
            return [client for clients in chosen for client in clients.values()]

    # --- sessions -------------------------------------------------------------------------

    def session(self, dockbox: str, open: Callable[[], Session]) -> Session:
        """The dockbox's session, made by ``open`` if there is none; others wait meanwhile.

        Raises what ``open`` raises, to all who waited.
        """
        with self._lock:
            found = self._sessions.get(dockbox)
            mine: AsyncResult[Session] | None = None
            if found is None or (
                found.ready() and (not found.successful() or found.value.ended.is_set())
            ):
                found = mine = self._sessions[dockbox] = AsyncResult()
        if mine is not None:
            try:
                mine.set(open())
            except BaseException as error:
                self.end(dockbox, mine)
                mine.set_exception(error)
                raise
        session: Session = found.get()
        return session

    def end(self, dockbox: str, session: Session | AsyncResult[Session]) -> None:
        """Forget a session, unless a newer one has its place."""
        with self._lock:
            found = self._sessions.get(dockbox)
            if found is not None and (
                found is session
                or (found.ready() and found.successful() and found.value is session)
            ):
                del self._sessions[dockbox]

    def running(self, dockbox: str) -> Session | None:
        """The dockbox's session in this worker, if there is one."""
        with self._lock:
            found = self._sessions.get(dockbox)
        return found.value if found is not None and found.successful() else None

    # --- disconnects that the database has not heard of -------------------------------------

    def give_up(self, dockbox: str, connection: str) -> None:
        """Remember a disconnect that could not be written."""
        with self._lock:
            self._given_up[connection] = dockbox

    def given_up(self) -> list[tuple[str, str]]:
        """Those disconnects: connection and dockbox."""
        with self._lock:
            return list(self._given_up.items())

    def written(self, connection: str) -> None:
        """The database has heard of this disconnect at last."""
        with self._lock:
            self._given_up.pop(connection, None)
