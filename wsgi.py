"""Gunicorn's and Flask's way in: gevent patches before anything else is imported."""

from gevent import monkey

monkey.patch_all()

import sys
from pathlib import Path

from dotenv import load_dotenv

from dockbox import create_app
from dockbox.errors import BadConfig
from dockbox.greenlets import patch_psycopg2, report_deaths

patch_psycopg2()
report_deaths()
load_dotenv(Path(__file__).parent / ".env")
try:
    app = create_app()
except BadConfig as error:
    sys.exit(error.message)
