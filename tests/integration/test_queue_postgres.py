"""The tests of the deletion queue and of workers, all of them, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.postgres import Postgres
from ..unit.lifecycle.test_garbage import (  # noqa: F401
    test_of_a_claim_and_a_client_at_the_same_moment_one_wins,
    test_the_longest_untouched_goes_first_and_the_young_stay,
    test_two_who_collect_share_no_box,
    test_what_a_dead_worker_has_claimed_is_adopted,
)
from ..unit.lifecycle.test_queue import *  # noqa: F403
from ..unit.lifecycle.test_workers import *  # noqa: F403
from ..unit.lifecycle.world import Database, connected

pytestmark = pytest.mark.postgres


@pytest.fixture
def db(postgres: Postgres, tmp_path: Path) -> Iterator[Database]:
    with connected(postgres.database(), tmp_path) as made:
        yield made
