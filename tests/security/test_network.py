"""What containers reach: the public internet, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support import images
from ..support.lab import CGNAT, DATABASE, HOST, INSIDE, METADATA, PUBLIC, Lab
from ..support.run import Run
from .housed import Box, new_box

GATEWAY = "the gateway"
FORBIDDEN = {
    "the metadata service": (METADATA, 80),
    "the database": (DATABASE, 5432),
    "a private address": (DATABASE, 80),
    "a carrier's address": (CGNAT, 80),
    "the host at the gateway": (GATEWAY, 80),
    "the host at its public address": (HOST, 80),
    "the host at its private address": (INSIDE, 80),
    "the Docker API at the gateway": (GATEWAY, 2375),
    "the Docker API at the host": (INSIDE, 2375),
}


@pytest.fixture(scope="module")
def lab(run: Run) -> Iterator[Lab]:
    """The rules are there before Docker has ever started, and before the network's device is."""
    lab = Lab(run)
    try:
        lab.firewall()
        lab.engine.start()
        lab.engine.import_image(images.BASH)
        yield lab
    finally:
        lab.close()


@pytest.fixture
def rules(lab: Lab) -> Iterator[Lab]:
    """The lab, whose rules a test may change."""
    yield lab
    lab.firewall()


@pytest.fixture
def box(lab: Lab, tmp_path: Path) -> Iterator[Box]:
    with new_box(lab, tmp_path) as box:
        assert box.reaches(PUBLIC)
        yield box


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_container_does_not_reach(box: Box, name: str) -> None:
    address, port = FORBIDDEN[name]
    assert not box.reaches(box.gateway if address == GATEWAY else address, port)


def test_each_of_them_answers_when_the_rules_are_gone(box: Box, rules: Lab) -> None:
    rules.firewall("--remove")
    for address, port in FORBIDDEN.values():
        assert box.reaches(box.gateway if address == GATEWAY else address, port), (address, port)
