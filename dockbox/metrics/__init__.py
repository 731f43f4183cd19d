"""Every metric that a worker counts by itself; ``shared`` has those that are read at a scrape.

A server's workers write into files (``slots``), so that any of them can answer for all; without
those, as in ``flask run`` and in tests, a process answers for itself.  No label is ever something
that strangers choose: routes, codes and operations are few, ids and URLs are not.

``docs/metrics.md`` lists them for operators; a test compares.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    values,
)

from ..slots import SLOT

if slot := os.environ.get(SLOT):  # before the first metric is made
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()

# Upper bounds in seconds.
QUICK = (0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 2, 10)  # of what should take milliseconds
LONG = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)  # of what people wait for

# --- HTTP -----------------------------------------------------------------------------------

HTTP_REQUESTS = Counter(
    "dockbox_http_requests", "Requests answered, by route and status; open terminals are not.",
    ["method", "route", "status"], registry=REGISTRY,
)  # fmt: skip
HTTP_SECONDS = Histogram(
    "dockbox_http_request_duration_seconds", "From a request's head to that of its answer.",
    ["method", "route"], registry=REGISTRY, buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 60),
)  # fmt: skip
HTTP_ERRORS = Counter(
    "dockbox_http_errors", "Answers that are errors, by the code in them.",
    ["code"], registry=REGISTRY,
)  # fmt: skip

# --- creating -------------------------------------------------------------------------------

CREATES = Counter(
    "dockbox_creates", "Creations that have ended: created, or the code of the error.",
    ["outcome"], registry=REGISTRY,
)  # fmt: skip
CREATE_STEPS = ("wait", "fetch", "detect", "image", "container")
CREATE_STEP_SECONDS = Histogram(
    "dockbox_create_step_duration_seconds", "Steps of creations, and of containers made anew.",
    ["step"], registry=REGISTRY, buckets=LONG,
)  # fmt: skip

STOPS = Counter(
    "dockbox_stops", "Stops of containers that have ended: stopped, or the code of the error.",
    ["outcome"], registry=REGISTRY,
)  # fmt: skip

# --- terminals ------------------------------------------------------------------------------

CONNECTS = Counter("dockbox_terminal_connects", "WebSockets accepted.", registry=REGISTRY)
CLOSES = Counter(
    "dockbox_terminal_closes", "WebSockets ended, by who ended it, and with which code.",
    ["by", "code"], registry=REGISTRY,
)  # fmt: skip
INPUT_BYTES = Counter("dockbox_terminal_input_bytes", "Bytes typed by clients.", registry=REGISTRY)
OUTPUT_BYTES = Counter(
    "dockbox_terminal_output_bytes", "Bytes of output sent to clients, replays with them.",
    registry=REGISTRY,
)  # fmt: skip
OPEN_SECONDS = Histogram(
    "dockbox_terminal_open_duration_seconds",
    "Opening a worker's session of a dockbox: attach, start where it does not run, first output.",
    ["before"], registry=REGISTRY, buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)  # fmt: skip

# --- what dockbox stands on -----------------------------------------------------------------

DOCKER_SECONDS = Histogram(
    "dockbox_docker_request_duration_seconds", "Requests to the Docker engine.",
    ["operation"], registry=REGISTRY, buckets=QUICK,
)  # fmt: skip
DOCKER_ERRORS = Counter(
    "dockbox_docker_errors", "Requests that the engine refused (its status) or did not answer.",
    ["operation", "status"], registry=REGISTRY,
)  # fmt: skip
DATABASE_SECONDS = Histogram(
    "dockbox_database_transaction_duration_seconds", "Transactions, without the wait for a turn.",
    ["kind"], registry=REGISTRY, buckets=QUICK,
)  # fmt: skip
DATABASE_WAIT_SECONDS = Histogram(
    "dockbox_database_wait_duration_seconds", "Waits for a connection of the worker's pool.",
    registry=REGISTRY, buckets=QUICK,
)  # fmt: skip
DATABASE_ERRORS = Counter(
    "dockbox_database_errors",
    "Transactions that failed: no connection was free (busy), nobody answers (unavailable), "
    "or the database refused it (refused).",
    ["reason"], registry=REGISTRY,
)  # fmt: skip

# --- the worker itself ----------------------------------------------------------------------

WORKER_STARTS = Counter("dockbox_worker_starts", "Workers started.", registry=REGISTRY)
LOOP_LAG_SECONDS = Histogram(
    "dockbox_loop_lag_seconds", "How late a worker's event loop was, four looks a second.",
    registry=REGISTRY, buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)  # fmt: skip
CPU_SECONDS = Counter("dockbox_process_cpu_seconds", "CPU time of the workers.", registry=REGISTRY)
MEMORY_BYTES = Gauge(
    "dockbox_process_resident_memory_bytes", "Resident memory of the workers.",
    registry=REGISTRY, multiprocess_mode="livesum",
)  # fmt: skip
OPEN_FILES = Gauge(
    "dockbox_process_open_fds", "Open file descriptors of the workers.",
    registry=REGISTRY, multiprocess_mode="livesum",
)  # fmt: skip
MOUNT_SIZE_BYTES = Gauge(
    "dockbox_mount_size_bytes", "Size of the file system that has MOUNT_POINT.",
    registry=REGISTRY, multiprocess_mode="livemostrecent",
)  # fmt: skip
MOUNT_FREE_BYTES = Gauge(
    "dockbox_mount_free_bytes", "What the server's user may still write to it.",
    registry=REGISTRY, multiprocess_mode="livemostrecent",
)  # fmt: skip
LOG_RECORDS = Counter(
    "dockbox_log_records", "Lines of the log that say that something is wrong.",
    ["level"], registry=REGISTRY,
)  # fmt: skip

# What an alert counts is there from the start, as 0: Prometheus sees no increase in a first value.
for _outcome in (
    "created", "dockbox_error", "runtime_unavailable", "runtime_failed", "image_unavailable",
    "storage_failed", "busy", "database_unavailable", "fetch_failed", "fetch_timeout",
):  # fmt: skip
    CREATES.labels(_outcome)
for _outcome in ("stopped", "runtime_unavailable", "runtime_failed"):
    STOPS.labels(_outcome)
for _code in (1000, 1001, 1002, 1006, 1008, 1009, 1011, 1013):
    CLOSES.labels("server", _code)
for _reason in ("busy", "unavailable", "refused"):
    DATABASE_ERRORS.labels(_reason)
for _level in ("WARNING", "ERROR", "CRITICAL"):
    LOG_RECORDS.labels(_level)
for _error in ("dockbox_error", "unauthorized", "too_many_requests"):
    HTTP_ERRORS.labels(_error)
for _step in CREATE_STEPS:
    CREATE_STEP_SECONDS.labels(_step)


def step(name: str) -> AbstractContextManager[Any]:
    """Time a step of a creation, one of ``CREATE_STEPS``, however it ends."""
    timer: AbstractContextManager[Any] = CREATE_STEP_SECONDS.labels(name).time()
    return timer
