"""The parts of a process, where it is not a server's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, current_app

from dockbox.config import Config
from dockbox.lifecycle import workers
from dockbox.services import Services

from .lifecycle.world import Database, connected


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with connected({"DATABASE_NAME": "boxes"}, tmp_path) as made:
        yield made


def test_what_a_command_works_on_is_adopted_only_after_it_has_ended(
    db: Database, tmp_path: Path
) -> None:
    config = Config(
        environment="development", port=1, docker_server_host="unix:///nothing",
        database_name="boxes", database_host="", database_port=None, database_user="",
        database_password="", mount_point=tmp_path,
    )  # fmt: skip
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    command, other = Services(app, config), db.worker()
    box = db.box("stopping", owner=command.worker)
    with command.at_work():
        assert workers.adopt(other, list, steady=True) == []
    assert [adopted.id for adopted in workers.adopt(other, list, steady=True)] == [box]
    assert db.rows("SELECT id FROM workers") == [(other,)]
