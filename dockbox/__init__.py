"""dockbox: from a repository's URL to a live terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .config import Config

__version__ = "0.1.0"

if TYPE_CHECKING:
    from flask import Flask


# What a page of another site may read of an answer's head, besides what it always may.
EXPOSED = [
    "Location",
    "Retry-After",
    "ETag",
    "Content-Disposition",
    "Content-Range",
    "X-Request-Id",
]


def create_app(config: Config | None = None) -> Flask:
    """The application for ``config``, by default that of the environment.

    ``Services.start`` makes the process take part in the work; a command does without.  Raises
    ``BadConfig``.
    """
    # Here, so that gunicorn's first process reads the settings and imports nothing of this:
    # gevent patches in the workers, and must come before.
    from flask import Flask
    from flask_cors import CORS

    from . import blueprints, cli, database, logs, proxies, request_ids, schema
    from .services import Services

    config = config or Config.from_env()
    logs.configure(config.log_format, config.log_level)
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024  # no request says more than a URL and a few words
    app.json.sort_keys = False  # type: ignore[attr-defined]
    database.init_app(app, config)
    schema.init_app(app, config)
    app.extensions["dockbox"] = Services(app, config)
    if config.allowed_origins:
        CORS(app, origins=list(config.allowed_origins), expose_headers=EXPOSED)
    blueprints.register(app)
    proxies.believe(app, config.proxies)
    request_ids.register(app, config.proxies > 0)
    app.cli.add_command(cli.dockbox)
    return app
