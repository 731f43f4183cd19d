"""A worker is killed at whichever step of whatever it does; others finish all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...chaos.points import points
from ...chaos.world import faulty_world
from ...support.engine import Engine
from ...support.postgres import Postgres
from ...support.run import Run


@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_a_worker_may_die_at_any_step(
    run: Run, engine: Engine, postgres: Postgres, tmp_path: Path
) -> None:
    plan = tmp_path / "plan"
    with faulty_world(run, engine, postgres, tmp_path, plan) as world:
        assert not points(world, plan, stride=9)  # `make chaos` takes every step
