"""What a worker measures of itself, for the metrics."""

from __future__ import annotations

import logging
import os
import shutil
import time
from pathlib import Path

import gevent

from . import metrics
from .greenlets import Greenlets
from .sources.hub import offload

TICK = 0.25  # seconds between looks at the clock
PAUSE = 10.0  # seconds between looks at all else
PAGE = os.sysconf("SC_PAGE_SIZE")


class Vitals:
    """Its loop's lag, its memory, files and CPU, the disk of ``mount``, its log."""

    def __init__(self, mount: Path, greenlets: Greenlets) -> None:
        self._mount, self._greenlets = mount, greenlets
        self._cpu = 0.0  # seconds that are counted

    def start(self) -> None:
        """Look again and again, until ``greenlets`` end."""
        logging.getLogger().addHandler(LogCounter(logging.WARNING))
        metrics.WORKER_STARTS.inc()
        self.look()
        self._greenlets.spawn("loop lag", self._watch_loop)
        self._greenlets.repeat("vitals", self.look, PAUSE)
        self._greenlets.repeat("mount", self.look_at_mount, PAUSE)

    @staticmethod
    def _watch_loop() -> None:
        while True:
            due = time.monotonic() + TICK
            gevent.sleep(TICK)
            metrics.LOOP_LAG_SECONDS.observe(max(0.0, time.monotonic() - due))

    def look(self) -> None:
        """Memory, files and CPU, as Linux tells them."""
        before, self._cpu = self._cpu, time.process_time()
        metrics.CPU_SECONDS.inc(self._cpu - before)
        metrics.MEMORY_BYTES.set(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE)
        metrics.OPEN_FILES.set(len(os.listdir("/proc/self/fd")))

    def look_at_mount(self) -> None:
        """A file system that does not answer keeps only this waiting; its values stay."""
        size, _, free = offload(lambda: shutil.disk_usage(self._mount), pool="usage")
        metrics.MOUNT_SIZE_BYTES.set(size)
        metrics.MOUNT_FREE_BYTES.set(free)


class LogCounter(logging.Handler):
    """Counts lines of the log."""

    def emit(self, record: logging.LogRecord) -> None:
        metrics.LOG_RECORDS.labels(record.levelname).inc()
