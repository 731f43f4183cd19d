"""The tests' own services do what the other tests build on."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest
from docker.errors import APIError, ImageNotFound

from ..support import images
from ..support.engine import Engine
from ..support.postgres import Postgres
from ..support.registry import Registry
from ..support.site import Site, git


@pytest.mark.parametrize("image", [images.BASH, images.SH])
def test_the_engine_runs_a_shell_of_each_image(engine: Engine, image: str) -> None:
    tools = "for tool in stty cat sleep yes dd head sha256sum vi; do command -v $tool; done | wc -l"
    output = engine.run(image, "/bin/sh", "-c", tools)
    assert output.strip() == b"8"


def test_only_the_bash_image_has_bash(engine: Engine) -> None:
    assert b"5." in engine.run(images.BASH, "/bin/bash", "-c", "echo $BASH_VERSION")
    with pytest.raises(APIError, match="no such file"):
        engine.run(images.SH, "/bin/bash")


def test_the_dead_image_cannot_be_started(engine: Engine) -> None:
    with pytest.raises(APIError, match="no such file"):
        engine.run(images.DEAD, "/bin/sh")


def test_the_engine_is_empty_after_each_test(engine: Engine) -> None:
    assert engine.containers() == {}


def test_the_engine_comes_back_after_a_crash(engine: Engine) -> None:
    container = engine.client().containers.create(images.SH, ["sleep", "1000"])
    container.start()
    engine.kill()
    engine.start()
    container.reload()
    assert container.status == "exited"


def test_each_database_is_a_new_one(postgres: Postgres) -> None:
    first, second = postgres.database(), postgres.database()
    assert first["DATABASE_NAME"] != second["DATABASE_NAME"]
    postgres.restart()
    connection = psycopg2.connect(
        host=second["DATABASE_HOST"], port=second["DATABASE_PORT"], user=second["DATABASE_USER"],
        password=second["DATABASE_PASSWORD"], dbname=second["DATABASE_NAME"],
    )  # fmt: skip
    connection.close()


def test_an_image_comes_back_from_the_registry(engine: Engine, registry: Registry) -> None:
    made = engine.import_image("dockbox-test/pushed:1", images.SH, {"new": b"layer" * 1000})
    name = registry.push(engine.client(), made)
    engine.client().images.remove(made)
    with pytest.raises(ImageNotFound):
        engine.client().images.get(name)
    engine.client().api.pull(*name.rsplit(":", 1))
    assert engine.run(name, "cat", "/new") == b"layer" * 1000


def test_the_site_serves_git_and_files(site: Site, tmp_path: Path) -> None:
    url = site.repository("group/hello", {"main.py": "print('hello')\n"})
    git(tmp_path, "clone", "-q", url, "copy")
    assert (tmp_path / "copy/main.py").read_text() == "print('hello')\n"
