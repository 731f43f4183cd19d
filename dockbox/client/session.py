"""A dockbox's terminal in one's own, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import selectors
import signal
import ssl
import time
from functools import partial

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from .api import Server, reason
from .errors import ENDED, NOT_ALLOWED, Failed, refused, signalled
from .keys import HELP, Escapes, Wish
from .local import Local

INPUT, RESIZE, OUTPUT = b"0", b"1", b"0"  # docs/protocol.md
STOPPED, GOING_AWAY, POLICY, TOO_SLOW = 1000, 1001, 1008, 1013  # close codes
OPEN, CLOSE = 15, 1  # seconds for the beginning and the end of a connection
STEADY = 60.0  # seconds after which a connection has been a good one
SILENT = 15.0  # seconds for the first output
LONGEST = 30.0  # seconds between two tries
GIVE_UP = 600.0  # seconds without a connection
WAITING = 256  # reads, of 4 KiB at most, that wait to be sent
SIGNALS = signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM


class Lost(Exception):
    """The connection is gone, or there was none, and may be had again; the argument says why."""


def run(server: Server, key: str, local: Local, linger: float) -> None:
    """Connect until the user leaves.  Raises ``Failed``.

    Where input is no terminal, that is when all of it was sent, and then ``linger`` seconds have
    brought no output.
    """
    logging.getLogger("websockets").setLevel(logging.CRITICAL)  # exceptions tell all
    # select() takes files, too, which epoll refuses
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        runner.run(Session(server, key, local, linger).run())


class Session:
    """See ``run``."""

    def __init__(self, server: Server, key: str, local: Local, linger: float) -> None:
        self._server, self._url = server, server.terminal(key)
        self._local, self._linger = local, linger
        self._typed: asyncio.Queue[bytes] = asyncio.Queue(WAITING)
        self._lost = False  # there was a connection, and is none
        self._resized, self._printed = asyncio.Event(), asyncio.Event()
        self._moved = 0.0  # when something was last sent or printed
        self._pause = 0.0  # seconds before the next try

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        loop.add_signal_handler(signal.SIGWINCH, self._resized.set)
        for number in SIGNALS:
            loop.add_signal_handler(number, partial(_end, ended, number))
        with self._local.raw():
            tasks = [ended, *map(asyncio.ensure_future, (self._type(), self._stay()))]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
            for task in done:
                task.result()

    # --- what is typed ------------------------------------------------------------------------

    async def _type(self) -> None:
        """Returns when the user leaves."""
        escapes, wish = Escapes(), None
        while wish is not Wish.LEAVE and (data := await self._local.read()):
            if self._local.types:
                data, wish = escapes.feed(data)
                if self._lost:
                    data = b""  # nobody sees what it would do
            if wish is Wish.HELP:
                self._local.say(HELP)
            if data:
                await self._typed.put(data)
        if not self._local.types:
            await self._finish()

    async def _finish(self) -> None:
        """All has been typed: let it be sent, and have its effect."""
        await self._typed.join()
        await self._shell()
        while (left := self._moved + self._linger - time.monotonic()) > 0:
            await asyncio.sleep(left)

    async def _shell(self) -> None:
        """Wait for the first output: before there is a shell, a server takes little input."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._printed.wait(), SILENT)

    # --- connections --------------------------------------------------------------------------

    async def _stay(self) -> None:
        """Be connected, again and again.  Raises ``Failed``."""
        try:
            socket = await self._dial()
        except Lost as lost:
            raise Failed(str(lost)) from None
        while True:
            began = time.monotonic()
            try:
                await self._serve(socket)
            except Lost as lost:
                if not self._local.types:
                    raise Failed(f"{lost} What was sent last may not have arrived.") from None
                if time.monotonic() - began > STEADY:
                    self._pause = 0.0
                socket = await self._dial_again(str(lost))

    async def _dial_again(self, why: str) -> ClientConnection:
        end = time.monotonic() + GIVE_UP
        while time.monotonic() < end:
            self._local.status(f"{why} Connecting again in {self._pause:.0f} s; ~. leaves.")
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause + 0.5, LONGEST) * random.uniform(0.8, 1)
            try:
                socket = await self._dial()
            except Lost as lost:
                why = str(lost)
            else:
                self._lost = False  # before the screen says so: what is typed now is meant
                await self._local.clear()
                return socket
        raise Failed(why)

    async def _dial(self) -> ClientConnection:
        """Raises ``Lost`` or, where it is no use to try again, ``Failed``."""
        try:
            return await connect(
                self._url, additional_headers=self._server.headers,
                subprotocols=[Subprotocol("tty")], compression=None,
                open_timeout=OPEN, close_timeout=CLOSE,
            )  # fmt: skip
        except InvalidStatus as error:
            status = error.response.status_code
            why = reason(status, error.response.body or b"")
            if status == 429 or status >= 500:
                raise Lost(why) from None
            raise refused(status, why) from None
        except ssl.SSLCertVerificationError:
            raise Failed(f"The certificate of {self._server.url} is not valid.") from None
        except InvalidURI:  # of a redirect
            raise Failed(f"{self._server.url} leads elsewhere: is it https?") from None
        except (OSError, InvalidHandshake, UnicodeError):  # the last: no name of a host
            raise Lost(f"{self._server.url} cannot be reached.") from None

    async def _serve(self, socket: ClientConnection) -> None:
        """Pass all on, both ways.  Raises ``Lost`` or ``Failed``."""
        async with socket:
            sending = asyncio.ensure_future(self._send(socket))
            telling = asyncio.ensure_future(self._tell(socket))
            try:
                await self._receive(socket)
            except ConnectionClosed as closed:
                raise _verdict(closed) from None
            finally:
                self._lost = True
                sending.cancel()
                telling.cancel()
                while not self._typed.empty():
                    self._typed.get_nowait()

    async def _receive(self, socket: ClientConnection) -> None:
        while True:
            message = await socket.recv(decode=False)
            if message[:1] == OUTPUT:
                await self._local.write(message[1:])
                self._moved = time.monotonic()
                self._printed.set()

    async def _send(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):  # the receiver is told as well
            await socket.send(json.dumps({"AuthToken": "", **self._local.size()}))
            if not self._local.types:
                await self._shell()
            while True:
                await socket.send(INPUT + await self._typed.get())
                self._moved = time.monotonic()
                self._typed.task_done()

    async def _tell(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._resized.wait()
                self._resized.clear()
                if size := self._local.size():
                    await socket.send(RESIZE + json.dumps(size).encode())


def _end(ended: asyncio.Future[None], number: signal.Signals) -> None:
    if not ended.done():
        ended.set_exception(signalled(number))


def _verdict(closed: ConnectionClosed) -> Exception:
    """``Lost`` or ``Failed``, by docs/protocol.md."""
    if closed.rcvd is None:
        return Lost("The connection broke.")
    code, why = closed.rcvd.code, closed.rcvd.reason
    if code == GOING_AWAY:
        return Lost("The server is going away.")
    if code == TOO_SLOW:
        return Lost("This terminal was too slow.")
    if code == STOPPED:
        return Failed(why or "The dockbox was stopped or deleted.", ENDED)
    if code == POLICY:
        return Failed(why or "The server does not allow this.", NOT_ALLOWED)
    return Failed(why or f"The server closed the connection with {code}.")
