"""What all servers share: the database has it, and is asked at each scrape."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from ..database import clock, transaction
from ..lifecycle.workers import alive
from ..models import Connection, Dockbox

STATES = ("creating", "stopped", "running", "stopping", "failed")


class Shared(Collector):
    """Gauges, the same from each worker of any server; for one scrape."""

    def __init__(self) -> None:
        self.boxes = GaugeMetricFamily("dockbox_dockboxes", "Dockboxes by state.", labels=["state"])
        self.connections = GaugeMetricFamily("dockbox_connections", "Clients in terminals.")
        self.queued = GaugeMetricFamily("dockbox_queue_length", "Dockboxes that will be stopped.")
        self.lag = GaugeMetricFamily(
            "dockbox_queue_lag_seconds", "How late the oldest that is due is."
        )
        self.workers = GaugeMetricFamily("dockbox_workers", "Workers that live.")

    def describe(self) -> list[Metric]:
        """All of them, without values."""
        return [one for one in vars(self).values() if isinstance(one, Metric)]

    def collect(self) -> Iterator[Metric]:
        """Raises ``DatabaseUnavailable``."""
        there = Dockbox.deleted_at.is_(None)
        waiting = (there, Dockbox.state == "running", Dockbox.stops_at.is_not(None))
        with transaction(reads=True) as session:
            by_state = session.execute(
                select(Dockbox.state, func.count()).where(there).group_by(Dockbox.state)
            ).all()
            connections = session.scalar(select(func.count()).select_from(Connection))
            queued = session.scalar(select(func.count()).select_from(Dockbox).where(*waiting))
            late = session.scalar(select(clock() - func.min(Dockbox.stops_at)).where(*waiting))
            workers = session.scalar(select(func.count()).select_from(alive().subquery()))
        counts = {row[0]: row[1] for row in by_state}
        for state in STATES:
            self.boxes.add_metric([state], counts.get(state, 0))
        self.connections.add_metric([], connections or 0)
        self.queued.add_metric([], queued or 0)
        self.lag.add_metric([], max(0.0, late or 0.0))
        self.workers.add_metric([], workers or 0)
        yield from self.describe()
