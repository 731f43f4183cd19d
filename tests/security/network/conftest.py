"""A Docker engine on a host of its own, with the firewall, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ...support import images
from ...support.lab import PUBLIC, Lab
from ...support.run import Run
from .housed import Box, new_box


@pytest.fixture(scope="package")
def lab(run: Run) -> Iterator[Lab]:
    """The rules are there before Docker has ever started, and before the network's device is."""
    lab = Lab(run)
    try:
        lab.firewall()
        lab.engine.start()
        for name in (images.BASH, images.SH):
            lab.engine.import_image(name, name)
        yield lab
    finally:
        lab.close()


@pytest.fixture
def rules(lab: Lab) -> Iterator[Lab]:
    """The lab, whose rules a test may change."""
    yield lab
    lab.firewall()


@pytest.fixture
def changing(rules: Lab) -> Iterator[Lab]:
    """The lab, of which a test may change the containers' network as well."""
    rules.unbridge()
    yield rules
    rules.unbridge()


@pytest.fixture
def box(lab: Lab, tmp_path: Path) -> Iterator[Box]:
    """A dockbox that reaches the internet."""
    with new_box(lab, tmp_path) as box:
        assert box.reaches(PUBLIC)
        yield box
