"""The parts of a process, where it is not a server's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from flask import Flask, current_app

from dockbox.config import Config
from dockbox.lifecycle import workers
from dockbox.provision import Order
from dockbox.services import Services
from dockbox.sources.url import parse

from .lifecycle.world import Database, connected


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with connected({"DATABASE_NAME": "boxes"}, tmp_path) as made:
        yield made


@pytest.fixture
def services(db: Database, tmp_path: Path) -> Services:
    """Those of a process without a Docker engine."""
    config = Config(
        environment="development", port=1, docker_server_host="unix:///nothing",
        database_name="boxes", database_host="", database_port=None, database_user="",
        database_password="", mount_point=tmp_path,
    )  # fmt: skip
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return Services(app, config)


def test_what_a_command_works_on_is_adopted_only_after_it_has_ended(
    db: Database, services: Services
) -> None:
    other = db.worker()
    box = db.box("stopping", owner=services.worker)
    with services.at_work():
        assert workers.adopt(other, list, steady=True) == []
    assert [adopted.id for adopted in workers.adopt(other, list, steady=True)] == [box]
    assert db.rows("SELECT id FROM workers") == [(other,)]


def test_a_creation_that_the_end_cuts_off_is_cleared_away_whole(
    db: Database, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    provision, steps = services.provision, list[str]()

    def create(id: str, order: Order) -> None:
        gevent.sleep(30)

    def clear(id: str) -> None:
        steps.append("begun")
        gevent.sleep(0.5)
        steps.append("cleared")

    monkeypatch.setattr(provision, "_create", create)
    monkeypatch.setattr(services.control, "clear_files", clear)
    id, _ = provision.begin(Order(parse("https://example.com/x.git"), None, None, 60))
    services.close(0.1)  # as gunicorn.conf.py does, and a moment later
    services.stop(0.3)
    assert (steps, db.state(id)) == (["begun", "cleared"], "failed")
