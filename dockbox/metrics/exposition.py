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
    # in a thread: for eight workers it takes 20 to 40 ms, and this one's terminals would wait
    return offload(lambda: generate_latest(registry), pool="metrics")
