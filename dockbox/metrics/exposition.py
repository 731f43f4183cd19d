"""What Prometheus reads."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

from ..slots import SLOT
from . import REGISTRY
from .shared import Shared


def render() -> tuple[bytes, str]:
    """Prometheus text and its content type.  Raises ``DatabaseUnavailable``."""
    shared = CollectorRegistry()
    shared.register(Shared())
    counted = REGISTRY
    if SLOT in os.environ:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    return generate_latest(shared) + generate_latest(counted), CONTENT_TYPE_PLAIN_0_0_4
