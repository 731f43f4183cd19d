"""The rules of the house, where a program can see them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask import Flask

from dockbox import cli
from dockbox.blueprints import access, dockboxes, files, ops, page, session, terminal
from dockbox.client import commands as user
from dockbox.config import PARSERS

from ..support.run import ROOT

PACKAGE = ROOT / "dockbox"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "versions" not in path.parts)
DATABASE = {
    "models", "migrations", "database", "lifecycle", "auth", "provision", "metrics", "services",
    "cli", "blueprints", "rates", "doctor", "schema",
}  # fmt: skip


def room(path: Path) -> str:
    """The folder or module right below ``dockbox/`` that holds it."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """The full names of all modules imported, also inside functions and for types only."""
    package = [*path.relative_to(ROOT).with_suffix("").parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def importers(*wanted: str) -> set[str]:
    """The rooms with a module that imports one of ``wanted`` or from inside it."""
    return {
        room(path)
        for path in MODULES
        for name in imports(path)
        if any(name == module or name.startswith(f"{module}.") for module in wanted)
    }


def test_the_walk_finds_every_kind_of_import() -> None:
    found = set(imports(PACKAGE / "lifecycle" / "queue.py"))
    assert {"sqlalchemy", "dockbox.database", "dockbox.models.Dockbox"} <= found
    assert "dockbox.blueprints" in set(imports(PACKAGE / "__init__.py"))
    assert len(MODULES) > 40


def test_flask_is_for_the_outside_only() -> None:
    inner = {"sources", "environment", "runtime", "terminal", "lifecycle", "provision", "browse"}
    assert not importers("flask", "flask_sock", "flask_sqlalchemy", "werkzeug") & inner


def test_only_runtime_imports_docker() -> None:
    assert importers("docker") == {"runtime"}


def test_only_those_who_may_touch_the_database() -> None:
    touching = importers(
        "sqlalchemy", "flask_sqlalchemy", "alembic", "dockbox.database", "dockbox.models"
    )
    assert touching - {"__init__"} <= DATABASE


def test_only_the_database_and_its_translation_know_psycopg2() -> None:
    assert importers("psycopg2") <= {"greenlets", "database"}


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ("sources", "environment runtime terminal lifecycle provision blueprints models database"),
        ("environment", "runtime terminal lifecycle provision blueprints models database"),
        ("runtime", "environment terminal lifecycle provision blueprints models database"),
        ("terminal", "sources environment runtime lifecycle provision blueprints models database"),
        ("lifecycle", "environment blueprints services cli"),
        ("browse", "environment runtime terminal lifecycle provision blueprints models database"),
        ("models", "sources environment runtime terminal lifecycle provision blueprints services"),
        ("config", "sources environment runtime terminal lifecycle provision blueprints models"),
        ("errors", "config sources environment runtime terminal lifecycle provision blueprints"),
    ],
)
def test_imports_go_one_way(inner: str, outer: str) -> None:
    reached = {
        name.split(".")[1]
        for path in MODULES
        if room(path) == inner
        for name in imports(path)
        if name.startswith("dockbox.")
    }
    assert not reached & set(outer.split())


def test_the_client_is_a_room_of_its_own() -> None:
    of_ours = {
        name
        for path in MODULES
        if room(path) == "client"
        for name in imports(path)
        if name.startswith("dockbox.")
    }
    assert all(name.startswith("dockbox.client") for name in of_ours)
    assert importers("dockbox.client") <= {"client", "cli", "__main__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_fits_in_the_head(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= 250


def test_every_setting_is_in_a_table_of_the_docs() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "docs" / "settings.md").read_text()
    rows = " ".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE))
    assert [name for name in PARSERS if f"`{name}`" not in rows] == []


def routes() -> list[str]:
    """Method and path of every route, as the contract spells them."""
    app = Flask(__name__, static_folder=None)
    for room in (ops, dockboxes, access, files, session, page):
        app.register_blueprint(room.blueprint)
    terminal.register(app)
    return sorted(
        f"{method} {re.sub(r'<(?!rest:)[^>]*>', '<id>', rule.rule).replace('rest:', '')}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    )


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Each command below ``group``, and how it is called."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield " ".join([*path, name]), command


def test_every_command_is_in_the_docs_with_its_options() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    found = dict(commands(cli.dockbox)) | dict(commands(user.main))
    assert len(found) >= 11
    for call, command in found.items():
        (row,) = re.findall(rf"^\| `({call}\b[^`]*)` \|", text, re.MULTILINE)
        options = {option for param in command.params for option in param.opts}
        told = set(re.findall(r"--[a-z-]+", row))
        assert {option for option in options if option.startswith("--")} == told


def test_every_route_is_in_the_reference() -> None:
    assert len(routes()) >= 12
    text = (ROOT / "docs" / "api.md").read_text()
    assert [route for route in routes() if route not in text] == []


def curls(text: str) -> Iterator[str]:
    """Method and path of each example with curl, as routes are spelled."""
    for line in re.findall(r"^curl (.*)$", text, re.MULTILINE):
        method = re.search(r"-X (\w+)", line)
        sends = "PUT" if " -T " in f" {line}" else "POST" if " -d " in line else "GET"
        (path,) = re.findall(r"\$[BS][^\s\"?]*", line)[-1:]
        path = path.replace("$B", "/v1/dockbox").replace("$S", "") or "/"
        path = re.sub(r"/files/.+", "/files/<path>", path.replace("/flask", "/<id>", 1))
        yield f"{method[1] if method else sends} {re.sub(r'[0-9a-f]{12}$', '<id>', path)}"


def test_every_call_of_the_api_has_an_example_with_curl() -> None:
    calls = {route for route in routes() if "/v1/" in route} - {"GET /v1/dockbox/ws/<id>"}
    calls |= {"GET /health", "GET /ready", "GET /metrics", "GET /openapi.json"}
    shown = set(curls((ROOT / "docs" / "api.md").read_text()))
    assert calls - shown == set()
