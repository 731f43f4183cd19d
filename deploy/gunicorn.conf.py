"""Gunicorn for dockbox: gevent workers, ended so that terminals move on at once.

.venv/bin/gunicorn -c deploy/gunicorn.conf.py wsgi:app
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dotenv import load_dotenv  # noqa: E402

from dockbox.config import Config  # noqa: E402
from dockbox.errors import BadConfig  # noqa: E402

load_dotenv(ROOT / ".env")
try:
    settings = Config.from_env()
except BadConfig as error:
    sys.exit(error.message)

bind = settings.bind
workers = settings.web_concurrency
worker_class = "gevent"
worker_connections = 10_000  # terminals wait most of the time
timeout = 60  # seconds without a sign of life before a worker is killed
graceful_timeout = 30  # seconds for requests, and for what is being created, at the end
keepalive = 75  # seconds; longer than the 60 of an ALB, or it would meet closed connections
accesslog = os.environ.get("ACCESS_LOG") or None
control_socket_disable = True  # nobody uses it, and it would lie in the home directory


def post_worker_init(worker):
    """Start the loops, and watch for the end: gunicorn itself would only wait for terminals."""
    import gevent

    services = worker.wsgi.extensions["dockbox"]
    services.start()

    def watch():
        while worker.alive:
            gevent.sleep(0.1)
        services.visits.close()

    gevent.spawn(watch)


def worker_exit(server, worker):
    """Let creations end, and leave no connections behind in the database."""
    app = getattr(worker, "wsgi", None)
    if app is not None:
        app.extensions["dockbox"].stop(graceful_timeout)
