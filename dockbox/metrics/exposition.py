"""What Prometheus reads."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

from ..slots import SLOT
from ..sources.hub import offload
from . import REGISTRY
from .shared import Shared


def render() -> tuple[bytes, str]:
    """Prometheus text and its content type.  Raises ``DatabaseUnavailable``."""
    shared = CollectorRegistry()
    shared.register(Shared())
    return generate_latest(shared) + _counted(), CONTENT_TYPE_PLAIN_0_0_4


def _counted() -> bytes:
    if SLOT not in os.environ:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    # in a thread: of eight workers, some 40 ms, for which a worker's terminals would stand still
    return offload(lambda: generate_latest(registry), pool="metrics")
