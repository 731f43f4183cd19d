"""The description of the API, held against the routes and the code."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask

from dockbox import errors
from dockbox.auth import logins, shares
from dockbox.auth.guard import NEEDS, Need
from dockbox.blueprints import access, dockboxes, files, ops, page, payload, session, terminal
from dockbox.models import Dockbox, Share
from dockbox.terminal.protocol import MOST_CELLS

DESCRIPTION = json.loads(ops.DESCRIPTION)
SCHEMAS = DESCRIPTION["components"]["schemas"]
PAGES = {"page.box", "page.listing", "page.file", "page.badge"}  # for browsers, not of the API
METHODS = {"get", "post", "put", "patch", "delete"}


def shape(path: str) -> str:
    """A path without the names of its variables."""
    return re.sub(r"<[^>]*>|\{[^}]*\}", "{}", path)


def routes() -> dict[str, str]:
    """The endpoint of each ``METHOD /path`` that the server has."""
    app = Flask(__name__, static_folder=None)
    for room in (ops, dockboxes, access, files, session, page):
        app.register_blueprint(room.blueprint)
    terminal.register(app)
    return {
        f"{method} {shape(rule.rule)}": rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in PAGES
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def operations() -> dict[str, dict[str, Any]]:
    """Each ``METHOD /path`` that is described."""
    return {
        f"{method.upper()} {shape(path)}": operation
        for path, item in DESCRIPTION["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def test_every_route_is_described_and_nothing_else() -> None:
    there, described = set(routes()), set(operations())
    assert there - described == set(), "not described in dockbox/openapi.json"
    assert described - there == set(), "described in dockbox/openapi.json, but not there"


def test_it_says_which_calls_need_a_token() -> None:
    for name, endpoint in routes().items():
        security = operations()[name].get("security", DESCRIPTION["security"])
        if NEEDS[endpoint] is Need.TERMINAL:  # ttyd's protocol shows its token later
            assert {} in security and {"ticket": []} in security, name
        else:
            assert bool(security) == (NEEDS[endpoint] is not Need.NOTHING), name
            assert ("401" in operations()[name]["responses"]) >= bool(security), name
    assert DESCRIPTION["components"]["securitySchemes"]["session"]["name"] == logins.COOKIE


def test_every_reference_leads_somewhere_and_every_schema_is_valid() -> None:
    for found in set(re.findall(r'"\$ref":\s*"#/([^"]+)"', ops.DESCRIPTION.decode())):
        node = DESCRIPTION
        for name in found.split("/"):
            node = node[name]
    for schema in SCHEMAS.values():
        jsonschema_rs.meta.validate(schema)


@pytest.mark.parametrize(
    ("name", "real"), [("Dockbox", Dockbox(created_at=0, last_modified=0).as_dict(0)),
                       ("Share", Share(created_at=0, expires_at=0).as_dict())],
)  # fmt: skip
def test_a_resource_has_the_fields_described_and_no_others(name: str, real: dict[str, Any]) -> None:
    assert set(SCHEMAS[name]["properties"]) == set(SCHEMAS[name]["required"]) == set(real)


def test_bounds_are_those_of_the_code() -> None:
    order = SCHEMAS["Order"]["properties"]
    assert SCHEMAS["State"]["enum"] == list(payload.STATES)
    assert SCHEMAS["Kind"]["enum"] == list(shares.KINDS)
    assert order["idle_timeout"]["maximum"] == payload.LONGEST_IDLE
    assert payload.NAME.pattern in order["name"]["pattern"]
    assert SCHEMAS["Cells"]["maximum"] == MOST_CELLS
    lifetime = SCHEMAS["ShareOrder"]["properties"]["expires_in"]
    assert (lifetime["default"], lifetime["maximum"]) == (payload.SHARED, payload.LONGEST_SHARED)
    shown = operations()["GET /v1/dockbox/{}/files"]["parameters"][0]["schema"]
    assert (shown["default"], shown["maximum"]) == (files.SHOWN, files.MOST_SHOWN)
    limit = operations()["GET /v1/dockbox"]["parameters"][0]["schema"]
    assert limit["maximum"] == payload.MOST_ITEMS


def test_every_error_that_may_reach_a_caller_has_its_status_described() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)}
    told = {kind.status for kind in kinds if issubclass(kind, errors.DockboxError)} - {500}
    described = {int(code) for one in operations().values() for code in one["responses"]}
    assert told <= described
    for name, operation in operations().items():
        if name != "GET /ready":
            for code, answer in operation["responses"].items():
                assert int(code) < 400 or answer["$ref"].startswith("#/components/responses/"), name
