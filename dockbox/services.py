"""What one worker process is made of, wired by hand."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from sqlalchemy import select

from . import schema
from .browse.room import Room as FilesRoom
from .config import Config
from .database import transaction
from .environment import Images
from .errors import DatabaseUnavailable, DockboxError
from .greenlets import Greenlets
from .lifecycle import workers
from .lifecycle.arrival import Arrivals
from .lifecycle.control import Control
from .lifecycle.disk import TICK, Disk
from .lifecycle.garbage import TICK as GARBAGE_TICK
from .lifecycle.garbage import Garbage
from .lifecycle.guests import LOOK, Guests
from .lifecycle.images import IdleImages
from .lifecycle.manager import ConnectionManager
from .lifecycle.opening import Opening
from .lifecycle.quota import Room
from .lifecycle.reaper import Reaper
from .lifecycle.sizes import Sizes
from .lifecycle.visit import Visits
from .lifecycle.watch import Watcher
from .models import Installation
from .provision import Provision
from .refusals import SPAN, Refusals
from .runtime.engine import Engine
from .seats import Seats
from .strangers import Strangers
from .vitals import Vitals

log = logging.getLogger(__name__)
FOLLOWERS = 1000  # streams of events that a worker has open
TRANSFERS, EACH = 200, 16  # files that a worker sends and takes at a time, and of one dockbox


class Services:
    """The parts, and their start and end.  ``worker`` is this process's name in the database."""

    def __init__(self, app: Flask, config: Config) -> None:
        self.config = config
        self.worker = str(uuid.uuid4())
        self._app = app
        self._greenlets = greenlets = Greenlets(app.app_context)
        self.images = Images.load(config.images_file)
        self.runtime = Engine(config, installation)
        self.manager = ConnectionManager(greenlets)
        self.watcher = Watcher(greenlets)
        self.control = Control(config, self.runtime, self.watcher, self.worker)
        self.provision = Provision(
            config, self.runtime, self.images, self.control, self.watcher, greenlets, self.worker
        )
        opening = Opening(config, self.runtime, self.manager, self.control, greenlets)
        sizes = Sizes(self.runtime.resize, greenlets)
        self.guests = Guests()
        self.room = Room(config)
        self.strangers = Strangers()
        self.refusals = Refusals()
        self.followers = Seats(config.max_box_connections, FOLLOWERS)
        self.transfers = Seats(EACH, TRANSFERS, "Too many of its files are on their way already.")
        self.files_room = FilesRoom(config.container_disk)
        arrivals = Arrivals(
            self.manager, opening, sizes, self.watcher, greenlets, self.worker, self.room
        )
        self.visits = Visits(config, self.manager, opening, sizes, arrivals, self.guests)
        self._reaper = Reaper(
            self.runtime, self.manager, self.control, sizes, self.provision, greenlets, self.worker
        )

        self._disk = Disk(config, self.runtime, self.control, greenlets, self.worker)
        table = {self.images.default, *self.images.languages.values()}
        idle = IdleImages(config, self.runtime, table)
        self.garbage = Garbage(config, self.runtime, self.control, idle, self.worker)
        self._vitals = Vitals(config.mount_point, greenlets)

    @contextmanager
    def at_work(self) -> Iterator[Control]:
        """For a command: be a worker, without clients and loops, as long as this lasts.

        So what it stops or deletes is its own, and others finish it if it is killed (ADR 4).
        """
        workers.beat(self.worker)
        self._greenlets.repeat("heartbeat", lambda: workers.beat(self.worker), workers.HEARTBEAT)
        try:
            yield self.control
        finally:
            self._greenlets.end(1.0)
            self._retire()

    def start(self) -> None:
        """Take part: be in the database before the first client comes, then run the loops.

        Raises ``WrongTables``.
        """
        with self._app.app_context():
            try:
                if newer := schema.check():
                    log.warning(newer)
                workers.beat(self.worker)
            except DatabaseUnavailable:
                log.warning("the database cannot be reached; starting all the same")
        self._vitals.start()
        self._greenlets.spawn("reaper", self._reaper.run)
        self._greenlets.repeat("keepalive", self.visits.keep_alive, self.visits.pause)
        self._greenlets.repeat("tokens", self.guests.look, LOOK)
        self._greenlets.repeat("disk", self._disk.look, TICK)
        self._greenlets.repeat("refusals", self.refusals.tell, SPAN)
        self._greenlets.repeat("garbage", self.garbage.look, GARBAGE_TICK)

    def close(self, patience: float) -> None:
        """Begin to end: clients move on, creations have ``patience`` seconds; does not wait."""
        self.visits.close()
        self._greenlets.spawn("last creations", self.provision.wait, patience)

    def stop(self, patience: float) -> None:
        """Give up connections at once, and creations after ``patience`` seconds."""
        self.visits.close()
        self.provision.wait(patience)
        self._greenlets.end(1.0)
        self.visits.report()
        with self._app.app_context():
            self._retire()

    def _retire(self) -> None:
        try:
            workers.retire(self.worker)
        except DockboxError:
            log.warning("the database cannot be reached; this worker's heartbeat will expire")


def installation() -> str:
    """The id that labels the containers of all servers of this database."""
    with transaction(reads=True) as session:
        return session.execute(select(Installation.id)).scalar_one()
