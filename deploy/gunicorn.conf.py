"""Gunicorn for dockbox: gevent workers, ended so that terminals move on at once.

.venv/bin/gunicorn -c deploy/gunicorn.conf.py wsgi:app
"""

import errno
import gc
import json
import multiprocessing
import os
import sys
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import gunicorn.systemd
import gunicorn.util
from gunicorn.arbiter import Arbiter

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dotenv import load_dotenv  # noqa: E402

from dockbox import slots  # noqa: E402
from dockbox.config import Config  # noqa: E402
from dockbox.errors import BadConfig, WrongTables  # noqa: E402
from dockbox.server_log import ServerLog  # noqa: E402
from dockbox.settings import number  # noqa: E402

load_dotenv(ROOT / ".env")
try:
    settings = Config.from_env()
    SLOW = number(float, 1)(os.environ.get("REQUEST_TIMEOUT") or "30")
except BadConfig as error:
    sys.exit(error.message)
except ValueError as error:
    sys.exit(f"Bad settings: bad: REQUEST_TIMEOUT {error}")

bind = settings.bind
workers = settings.web_concurrency
worker_class = "gevent"
worker_connections = 10_000  # terminals wait most of the time
timeout = 60  # seconds without a sign of life before a worker is killed
graceful_timeout = 30  # seconds for requests at the end
CREATIONS = 24  # seconds for what is being created at the end, less than that by its clearing away
keepalive = 75  # seconds; longer than the 60 of an ALB, or it would meet closed connections
forwarded_allow_ips = ""  # nobody's scheme or SCRIPT_NAME; PROXIES says whom the app believes
loglevel = max(settings.log_level, "info", key=["debug", "info", "warning", "error"].index)
accesslog = os.environ.get("ACCESS_LOG") or None
limit_request_line = 4094  # bytes of the first line; a longer one is 414
limit_request_fields = 64  # headers; more of them, or larger ones, are 431
limit_request_field_size = 8190  # bytes of one
# a head has SLOW seconds, and a body again
SLOWEST = 8 * 1024  # bytes a second: a long body has as much more time as that takes
IDLE = 1.0  # seconds without a request after which a connection does not hold up the end
hopeless = multiprocessing.Lock()  # one worker tells gunicorn, which would stumble over two
control_socket_disable = True  # nobody uses it, and it would lie in the home directory
# Taken out, as gunicorn says that it is ready before it has a worker, and git shall not have it.
NOTIFY_SOCKET = os.environ.pop("NOTIFY_SOCKET", None)


WHY = {
    408: f"it did not arrive within {SLOW:g} seconds",
    414: f"the request line may have {limit_request_line} bytes",
    431: f"there may be {limit_request_fields} headers of {limit_request_field_size} bytes",
    500: "something went wrong",
}


def refuse(client, status, reason, _):
    """In the API's shape what gunicorn refuses itself: its own page is HTML, and quotes."""
    code = reason.lower().replace(" ", "_")
    why = WHY.get(status, "the request is not valid HTTP")
    body = json.dumps({"error": f"{reason}: {why}.", "code": code})
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json"
    answer = f"{head}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    gunicorn.util.write_nonblock(client, answer.encode())


gunicorn.util.write_error = refuse


class logger_class(ServerLog):
    form = settings.log_format


def on_starting(server):
    """Once for each server, not at a reload: its counters go on."""
    slots.begin()


def pre_fork(server, worker):
    worker.slot = slots.free([other.slot for other in server.WORKERS.values()])


def post_fork(server, worker):
    slots.take(worker.slot)


def child_exit(server, worker):
    slots.leave(worker.slot)


def on_exit(server):
    slots.end()


def when_ready(server):
    """Say what an operator should not overlook."""
    if settings.production and settings.auth == "none":
        server.log.warning("AUTH=none: whoever reaches this port may do everything")


def tell_systemd(worker):
    """That the service is up: this worker has loaded the application."""
    if NOTIFY_SOCKET:
        os.environ["NOTIFY_SOCKET"] = NOTIFY_SOCKET
        gunicorn.systemd.sd_notify("READY=1", worker.log, unset_environment=True)


def hurry():
    """Cut off who sends a request byte by byte, and would hold a connection for ever so."""
    from gunicorn.http import parser

    class Hurried(parser.SocketUnreader):
        ends = None  # when the head, or the body, must be there; None until its first byte is
        in_body = late = False

        def chunk(self, size_hint=None):
            left = None if self.ends is None else self.ends - time.monotonic()
            if left is None or left > 0:
                self.sock.settimeout(left)
                try:
                    data = super().chunk(size_hint)
                except TimeoutError:
                    pass
                else:
                    self.ends = self.ends or time.monotonic() + SLOW
                    if self.in_body:  # which may be a large file
                        self.ends += len(data) / SLOWEST
                    return data
                finally:
                    self.sock.settimeout(None)
            if not (self.in_body or self.late):
                refuse(self.sock, 408, "Request Timeout", "")
            self.late = True
            raise ConnectionResetError(errno.ECONNRESET, "the request came too slowly")

    parser.SocketUnreader = Hurried


def pre_request(worker, req):
    """The head is there: the body has as long again, and whoever reads it answers."""
    req.unreader.in_body, req.unreader.ends = True, time.monotonic() + SLOW
    req.began = datetime.now()


def post_request(worker, req, environ, resp):
    """The next request begins when it likes, which ``keepalive`` bounds."""
    if not req.unreader.late:
        req.unreader.in_body, req.unreader.ends = False, None
    worker.log.over(resp, req, environ, req.began)


def post_worker_init(worker):
    """Start the loops, and watch for the end: gunicorn itself would only wait for terminals."""
    import gevent
    from gunicorn.workers import ggevent

    hurry()

    # What is here now stays: looking through it for garbage would hold all terminals up, by 0.1 s
    # now and then.
    gc.collect()
    gc.freeze()
    services = worker.wsgi.extensions["dockbox"]
    try:
        services.start()
    except WrongTables as error:
        worker.wsgi = None  # which has nothing to end
        if hopeless.acquire(block=False):
            worker.log.error(error.message)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)  # or gunicorn would start others for ever
        sys.exit()
    worker.log.refusals = services.refusals
    tell_systemd(worker)
    listeners = []

    class Listener(ggevent.StreamServer):
        def start(self):
            super().start()
            listeners.append(self)

    ggevent.StreamServer = Listener  # gunicorn makes them after this, and keeps them to itself
    waits = {}  # greenlets of connections without a request: their time-out, since when

    @contextmanager
    def wait_for_request():
        with gevent.Timeout(keepalive, False) as timeout:
            waits[gevent.getcurrent()] = timeout, time.monotonic()
            try:
                yield
            finally:
                del waits[gevent.getcurrent()]

    worker.timeout_ctx = wait_for_request

    def watch():
        while worker.alive:
            gevent.sleep(0.1)
        for listener in listeners:  # gunicorn would take connections for a second more
            listener.close()
        services.close(CREATIONS)  # those who wait for one shall be told before the end
        while True:  # until the process ends; gunicorn would wait for idle connections as well
            for greenlet, (timeout, since) in list(waits.items()):
                if time.monotonic() - since > IDLE:
                    greenlet.kill(timeout, block=False)
            gevent.sleep(0.1)

    gevent.spawn(watch)


def worker_exit(server, worker):
    """Let creations end, and leave no connections behind in the database."""
    app = getattr(worker, "wsgi", None)
    if app is not None:
        app.extensions["dockbox"].stop(CREATIONS)
