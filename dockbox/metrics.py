"""Every metric.  All come from the database, so any worker of any server gives the same."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from sqlalchemy import func, select

from .database import clock, transaction
from .lifecycle.workers import alive
from .models import Connection, Dockbox

STATES = ("creating", "stopped", "running", "stopping", "failed")


def render() -> tuple[bytes, str]:
    """Prometheus text and its content type.  Raises ``DatabaseUnavailable``."""
    registry = CollectorRegistry()
    boxes = Gauge("dockbox_dockboxes", "Dockboxes by state.", ["state"], registry=registry)
    connections = Gauge("dockbox_connections", "Clients in terminals.", registry=registry)
    queued = Gauge("dockbox_queue_length", "Dockboxes that will be stopped.", registry=registry)
    lag = Gauge(
        "dockbox_queue_lag_seconds", "How late the oldest that is due is.", registry=registry
    )
    workers = Gauge("dockbox_workers", "Workers that live.", registry=registry)
    there = Dockbox.deleted_at.is_(None)
    with transaction(reads=True) as session:
        by_state = session.execute(
            select(Dockbox.state, func.count()).where(there).group_by(Dockbox.state)
        ).all()
        connections.set(session.scalar(select(func.count()).select_from(Connection)) or 0)
        waiting = (there, Dockbox.state == "running", Dockbox.stops_at.is_not(None))
        queued.set(session.scalar(select(func.count()).select_from(Dockbox).where(*waiting)) or 0)
        late = session.scalar(select(clock() - func.min(Dockbox.stops_at)).where(*waiting))
        lag.set(max(0.0, late or 0.0))
        workers.set(session.scalar(select(func.count()).select_from(alive().subquery())) or 0)
    counts = {row[0]: row[1] for row in by_state}
    for state in STATES:
        boxes.labels(state).set(counts.get(state, 0))
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4
