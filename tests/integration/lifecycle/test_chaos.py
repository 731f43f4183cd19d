"""Whatever breaks while clients are at work, nothing is left behind, and no shell in use ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...chaos.chaos import chaos
from ...chaos.world import World
from ...support.engine import Engine
from ...support.postgres import Postgres
from ...support.run import Run


@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_random_faults_leave_nothing_behind_and_end_no_shell_in_use(
    run: Run, engine: Engine, postgres: Postgres, tmp_path: Path
) -> None:
    with World(run, engine, postgres, tmp_path) as world:
        violations = chaos(world, seed=1, seconds=20)
        for server in world.servers:
            print(f"--- server {server.port}\n{server.log()}")  # shown when it fails
    assert not violations
