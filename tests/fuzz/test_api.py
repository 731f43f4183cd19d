"""The API as its OpenAPI description has it, on a real server with a real engine.

schemathesis makes up requests, right ones and wrong ones, for each operation.  No answer may be
other than described, and none may tell what only a bug's trace would.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis.specs.openapi import checks

from dockbox.blueprints.ops import DESCRIPTION

from ..conftest import SERVERS
from ..support.engine import Engine
from ..support.postgres import Postgres
from ..support.run import ROOT, Run
from ..support.world import World
from .profile import fuzz

pytestmark = pytest.mark.docker
NAME = "fuzzed"
ARCHIVE = "https://an-archive.invalid/"  # in its place comes one that can be fetched
# No request leads out to a network: others' names do not exist, or are refused.
URLS = [
    ARCHIVE, ARCHIVE, "https://nobody.invalid/a.git", "http://10.0.0.1/a.git", "file:///etc/passwd",
    "git@nobody.invalid:a/b.git", "nonsense", "https://[::1]/a.tar.gz", "ext::sh -c id", "-x",
]  # fmt: skip
PATHS = ["main.py", "new.txt", "new/", "new/file", "..", "%2e%2e/x", "a//b"]
ANYWHERE = {405, 414, 431}  # what HTTP itself has for requests that are none of the API's
CHECKS = [
    checks.status_code_conformance, checks.content_type_conformance,
    checks.response_headers_conformance, checks.response_schema_conformance,
]  # fmt: skip


def described() -> Any:
    """The description, with sources and dockboxes that there are among those it makes up."""
    description = copy.deepcopy(json.loads(DESCRIPTION))
    parts = description["components"]
    parts["schemas"]["Order"]["properties"]["url"] = {"enum": URLS}
    known = {"enum": [NAME, NAME, "nobody"]}
    parts["parameters"]["key"]["schema"] = {"anyOf": [known, {"type": "string"}]}
    path = description["paths"]["/v1/dockbox/{key}/files/{path}"]["parameters"][1]
    path["schema"] = {"anyOf": [{"enum": PATHS}, {"type": "string"}]}
    return schemathesis.openapi.from_dict(description)


@pytest.fixture(scope="module")
def world(run: Run, engine: Engine, postgres: Postgres, tmp_path_factory: Any) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("api")
    world = World(
        run, engine, folder, postgres.database(), web_concurrency=1, create_wait=0,
        max_dockboxes=8, source_timeout=5,
    )  # fmt: skip
    world.server.settings["PRIVATE_SOURCES"] = world.site.netloc
    world.server.start()
    yield world
    world.close()


@pytest.fixture(autouse=True)
def fresh(world: World, request: pytest.FixtureRequest) -> None:
    """Each operation begins with one dockbox, which has a name."""
    request.node.stash[SERVERS] = [world.server]
    world.clean()
    box(world)


def box(world: World) -> None:
    if world.server.get(f"/v1/dockbox/{NAME}").status_code == 404:
        order = {"url": world.archive(), "name": NAME}
        world.server.post("/v1/dockbox", json=order, headers={"Prefer": "wait=30"})


@described().parametrize()
@fuzz(12)
def test_every_answer_is_as_described(world: World, case: Any) -> None:
    key = case.path_parameters.get("key")
    if case.operation.definition.raw["operationId"] == "events" and key == NAME:
        return  # without end; the tests of the API read it
    if isinstance(case.body, dict) and case.body.get("url") == ARCHIVE:
        case.body["url"] = world.archive()
    answer = case.call(base_url=world.server.url, timeout=60)
    check(answer)
    if answer.status_code not in ANYWHERE:
        case.validate_response(answer, checks=CHECKS)
    if case.method == "DELETE":
        box(world)


def check(answer: Any) -> None:
    text = answer.content.decode(errors="replace")
    assert answer.status_code != 500, text
    assert "<html" not in text.lower() and "Traceback" not in text
    assert str(ROOT) not in text or "openapi" in text
    if answer.status_code >= 400 and not text.startswith('{"database"'):
        body = json.loads(text)
        assert set(body) == {"error", "code"} and re.fullmatch("[a-z_]+", body["code"]), text


def test_nothing_went_wrong_inside(world: World) -> None:
    """After all of the above."""
    log = world.server.log()
    assert "Traceback" not in log and "unexpected" not in log
