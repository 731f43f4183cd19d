"""``flask dockbox …`` beside a server at work, and without one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..support import images
from ..support.engine import Engine
from ..support.internals import Rows
from ..support.operator import Operator, operate, operator
from ..support.postgres import Postgres
from ..support.registry import Registry
from ..support.run import Run
from ..support.server import Server
from ..support.site import Site
from ..support.traces import traces
from ..support.waiting import eventually

SETTINGS = {"idle_timeout": 600}


@pytest.fixture(scope="module")
def types(run: Run, module_server: Server) -> Iterator[Operator]:
    with operator(run, module_server) as types:
        yield types


@pytest.fixture
def boxes(shared: Server, site: Site) -> Iterator[list[str]]:
    """The names of two dockboxes, the older one first."""
    url = site.repository("project", {"main.py": "print('hello')\n"})
    yield [shared.create(url, name=name)["custom_id"] for name in ("ann", "bob")]
    for item in shared.get("/v1/dockbox").json()["items"]:
        shared.delete(f"/v1/dockbox/{item['id']}")


# --- looking ------------------------------------------------------------------------------


def test_list_has_what_the_api_lists(shared: Server, boxes: list[str], types: Operator) -> None:
    assert types("list", "--json").json == shared.get("/v1/dockbox").json()["items"]
    header, *lines = types("list").out.splitlines()
    assert [line.split()[0] for line in (header, *lines)] == ["name", "bob", "ann"]
    assert all("stopped" in line and images.BASH in line for line in lines)
    assert types("list", "--state", "running", "--json").json == []
    assert types("list", "--token", "0" * 12, "--json").json == []


def test_show_finds_by_name_and_by_id(shared: Server, boxes: list[str], types: Operator) -> None:
    box = shared.box("ann")
    assert types("show", box["id"], "--json").json == {**box, "progress": None, "token": None}
    shown = dict(line.split(maxsplit=1) for line in types("show", "ann").out.splitlines())
    assert (shown["id"], shown["state"], shown["error"]) == (box["id"], "stopped", "-")


def test_what_is_not_there_is_named_and_nothing_is_done(
    boxes: list[str], types: Operator, shared: Server
) -> None:
    for command in (["show", "eve"], ["stop", "ann", "eve"], ["delete", "--yes", "ann", "eve"]):
        assert "There is no dockbox eve." in types(*command, code=1).err
    assert shared.box("ann")


def test_usage_is_exit_code_2(types: Operator) -> None:
    for wrong in (
        ["stop"], ["list", "--state", "odd"], ["nonsense"], ["images", "pull", "http://no/"],
        *(["gc", "--days", days] for days in ("-1", "nan", "inf", "1e9")),
        *(["token", "create", "x", "--days", days] for days in ("0", "nan", "inf", "1e9")),
    ):  # fmt: skip
        assert "Error" in types(*wrong, code=2).err


# --- ending -------------------------------------------------------------------------------


def test_stop_tells_whoever_is_connected_and_keeps_all(
    shared: Server, boxes: list[str], types: Operator
) -> None:
    with shared.connect("ann") as terminal:
        terminal.run("echo kept > kept")
        said = types("stop", "ann", "bob")
        assert said.out == "ann: stopped\nbob: stopped\n"
        assert terminal.close_code()[0] == 1000
    eventually(lambda: shared.box("ann")["connections"] == 0, what="the end of the connection")
    box = shared.box("ann")
    assert box["state"] == "stopped"
    assert (shared.mount / box["id"] / "kept").read_text() == "kept\n"
    assert Rows(shared.settings)("SELECT owner FROM dockboxes WHERE owner IS NOT NULL") == []


def test_delete_asks_and_leaves_nothing(
    shared: Server, boxes: list[str], types: Operator, engine: Engine
) -> None:
    assert "Aborted" in types("delete", "ann", "bob", typed="n\n", code=1).err
    assert "Aborted" in types("delete", "ann", "bob", code=1).err  # nobody there to answer
    with shared.connect("ann") as terminal:
        terminal.run("true")
        assert types("delete", "ann", typed="y\n").out == "ann: deleted\n"
        assert terminal.close_code()[0] == 1000
    said = types("delete", "--yes", "--json", "bob")
    assert [(one["custom_id"], one["state"], one["error"]) for one in said.json] == [
        ("bob", "deleted", None)
    ]
    assert traces(shared, engine) == []


def test_a_command_is_in_the_audit_trail_and_a_worker_only_while_it_works(
    run: Run, shared: Server, boxes: list[str]
) -> None:
    workers = Rows(shared.settings)("SELECT count(*) FROM workers")
    said = operate(run, shared, "stop", "ann")
    assert (said.returncode, said.stdout) == (0, "ann: stopped\n")
    line = f"dockbox.audit: stop dockbox={shared.box('ann')['id']} by=operator user=root\n"
    assert said.stderr.endswith(line) and said.stderr.count("\n") == 1
    assert Rows(shared.settings)("SELECT count(*) FROM workers") == workers


@pytest.mark.postgres
def test_no_server_is_needed(
    run: Run, engine: Engine, postgres: Postgres, tmp_path: Path, site: Site, images_file: Path
) -> None:
    settings = {"private_sources": "127.0.0.0/8", "images_file": images_file, "stop_grace": 1}
    server = Server(run, tmp_path, engine.url, postgres.database(), **settings)
    server.start()
    url = site.repository("project", {"main.py": "print('hello')\n"})
    server.create(url, name="ann")
    with server.connect("ann") as terminal:
        terminal.run("true")
        server.kill()
    with operator(run, server) as types:
        assert types("show", "ann", "--json").json["state"] == "running"
        assert types("stop", "ann").out == "ann: stopped\n"
        assert types("delete", "--yes", "ann").out == "ann: deleted\n"
        assert types("list", "--json").json == []
    assert traces(server, engine) == []


# --- when something is away ---------------------------------------------------------------


def test_without_the_engine_nothing_is_stopped(
    run: Run, shared: Server, boxes: list[str], engine: Engine
) -> None:
    with shared.connect("ann") as terminal:
        terminal.run("true")
        settings = shared.settings
        try:
            shared.settings = settings | {"DOCKER_SERVER_HOST": f"unix://{run.folder}/nothing"}
            said = operate(run, shared, "stop", "--json", "ann")
        finally:
            shared.settings = settings
        assert (said.returncode, '"error": "Docker cannot be reached."' in said.stdout) == (1, True)
        assert shared.box("ann")["state"] == "running"


@pytest.fixture
def away(run: Run, shared: Server) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """A command of a development server whose PostgreSQL and Docker are away."""
    settings = shared.settings
    shared.settings = settings | {
        "DATABASE_HOST": "127.0.0.1", "DATABASE_PORT": "1", "DATABASE_USER": "a",
        "DATABASE_PASSWORD": "b", "DOCKER_SERVER_HOST": f"unix://{run.folder}/nothing",
    }  # fmt: skip

    def command(*words: str) -> tuple[int, str, str]:
        said = operate(run, shared, *words)
        return said.returncode, said.stdout, said.stderr

    yield command
    shared.settings = settings


def test_without_the_database_a_command_says_one_sentence(
    away: Callable[..., tuple[int, str, str]],
) -> None:
    assert away("list") == (1, "", "Error: The database cannot be reached.\n")


def test_without_the_database_the_doctor_examines_the_rest(
    away: Callable[..., tuple[int, str, str]],
) -> None:
    code, said, _ = away("doctor")
    assert code == 1
    assert "FAILS: tables: The database cannot be reached. See that it runs where" in said
    assert "FAILS: reached: Docker cannot be reached. See that it runs where" in said
    assert ", can be written.\n" in said


# --- images -------------------------------------------------------------------------------


def test_images_that_the_engine_lacks_are_pulled_and_named_ones_anew(
    run: Run, shared: Server, engine: Engine, registry: Registry, tmp_path: Path
) -> None:
    def push(content: bytes) -> str:
        engine.client().api.import_image_from_data(
            images.archive(images.SH, {"content": content}), repository="new", tag="1"
        )
        return registry.push(engine.client(), "new:1")

    name, nothing = push(os.urandom(2**20)), f"{registry.address}/nothing:1"
    table = tmp_path / "images.toml"
    table.write_text(
        f'default = "{images.BASH}"\n[languages]\nc = "{nothing}"\nrust = "{name}"\ngo = "{name}"\n'
    )
    changed = {"IMAGES_FILE": str(table), "CONTAINER_NETWORK": "none"}
    settings, shared.settings = shared.settings, shared.settings | changed
    try:
        with operator(run, shared) as types:
            found = types("doctor", code=1).out
            assert f"FAILS: The engine lacks images, and cannot pull them: {nothing}." in found
            assert "warns: The engine lacks images, and pulls them" in found
            said = types("images", "pull", code=1)
            assert said.out == f"{images.BASH}: there\n{name}: pulled\n"
            assert f"Pulling image {name}\n" in said.err
            assert f"Error: The image {nothing} cannot be had from its registry.\n" in said.err
            states = [one["state"] for one in types("images", "pull", "--json", code=1).json]
            assert states == ["there", "failed", "there"]
            before = engine.client().images.get(name).id
            push(os.urandom(2**20))
            engine.client().images.get(before).tag(*name.rsplit(":", 1))  # the engine still has it
            assert "somebody waits" not in types("doctor", code=1).out
            types("images", "pull", name)
            assert engine.client().images.get(name).id != before
    finally:
        shared.settings = settings
