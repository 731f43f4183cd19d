"""``flask dockbox doctor`` on the lab's host: it praises what holds, and sees what does not."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ...support import images
from ...support.lab import DATABASE, HOST, Lab
from ...support.world import sqlite

POSTGRES = {"database_port": "5432", "database_user": "a", "database_password": "b"}


class Doctor:
    """The command, with the settings of an installation that is as it should be."""

    def __init__(self, lab: Lab, folder: Path, database: dict[str, str]) -> None:
        self._lab = lab
        self.mount = folder / "mount"
        self.mount.mkdir()
        table = folder / "images.toml"
        table.write_text(f'default = "{images.BASH}"\n')
        self._settings = {
            "ENVIRONMENT": "development", "PORT": "8000", "MOUNT_POINT": str(self.mount),
            "DOCKER_SERVER_HOST": lab.engine.url, "CONTAINER_NETWORK": lab.device,
            "AUTH": "token", "IMAGES_FILE": str(table), **database,
        }  # fmt: skip

    def run(self, *options: str, fails: bool = False, **settings: str) -> str:
        """What it prints; ``settings`` differ from what they should be."""
        flask = [sys.executable, "-m", "flask", "--app", "wsgi", "dockbox", "doctor"]
        mine = self._settings | {name.upper(): value for name, value in settings.items()}
        return self._lab.host.run(*flask, *options, fails=fails, **mine)

    def finds(self, state: str, words: str, **settings: str) -> bool:
        """Whether it says this in one of its lines."""
        said: list[dict[str, Any]] = json.loads(
            self.run("--json", fails=state == "FAILS", **settings)
        )
        assert said
        return any(one["state"] == state and words in one["what"] for one in said)


@pytest.fixture
def doctor(lab: Lab, tmp_path: Path) -> Iterator[Doctor]:
    with sqlite() as database:
        yield Doctor(lab, tmp_path, database)
    left = lab.engine.client().api.containers(all=True, filters={"label": "dockbox.doctor"})
    assert left == []
    assert list((tmp_path / "mount").glob("*")) == []


def test_it_is_content_with_a_good_installation(doctor: Doctor) -> None:
    lines = doctor.run().splitlines()
    states = {line.partition(":")[0] for line in lines}
    # it runs as root here, and the engine has no user namespaces
    assert [line for line in lines if line.startswith("warns")] == [
        line for line in lines if "as root." in line or "Root in a container" in line
    ]
    assert states == {"ok", "warns"}, lines
    for words in (
        "tables are up to date", "API is not open", "seccomp", "can be written",
        "sees MOUNT_POINT", "keeps containers from each other", "a cloud's metadata service",
        "do not reach the engine's host", "do not reach another container",
    ):  # fmt: skip
        assert any(words in line for line in lines), (words, lines)


def test_it_sees_that_the_rules_are_gone(doctor: Doctor, rules: Lab) -> None:
    rules.firewall("--remove")
    said = doctor.run(fails=True, database_host=DATABASE, environment="production", **POSTGRES)
    for what in ("a cloud's metadata service", "the engine's host", "the database"):
        assert f"FAILS: Containers reach {what}" in said, said
    assert "ok: Containers do not reach another container." in said
    assert "deploy/firewall" in said


def test_it_tries_the_database_and_says_that_it_does_not_answer(doctor: Doctor) -> None:
    said = doctor.run(fails=True, database_host=DATABASE, environment="production", **POSTGRES)
    assert "FAILS: tables: The database cannot be reached." in said
    assert "ok: Containers do not reach the database." in said


@pytest.mark.parametrize("rule", ["DOCKBOX-IN-dockbox", "DOCKBOX-dockbox"])
def test_it_sees_that_half_of_the_rules_are_gone(doctor: Doctor, rules: Lab, rule: str) -> None:
    rules.host.run("iptables", "-F", rule)
    lost = "the engine's host" if "IN" in rule else "a cloud's metadata service"
    assert doctor.finds("FAILS", f"Containers reach {lost}")


def test_it_tries_with_what_a_small_image_has(doctor: Doctor, rules: Lab, tmp_path: Path) -> None:
    table = tmp_path / "other.toml"
    table.write_text(f'default = "{images.SH}"\n')
    assert doctor.finds("ok", "do not reach a cloud's metadata", images_file=str(table))
    rules.firewall("--remove")
    assert doctor.finds("FAILS", "Containers reach a cloud's metadata", images_file=str(table))


def test_it_sees_a_network_that_lets_containers_talk(doctor: Doctor, changing: Lab) -> None:
    changing.bridge(icc=True)
    assert doctor.finds("FAILS", "lets containers reach each other")
    assert doctor.finds("FAILS", "lets containers reach each other")
    changing.firewall("--remove")
    assert doctor.finds("FAILS", "Containers reach another container")


@contextmanager
def listening(lab: Lab, address: str) -> Iterator[None]:
    """Docker's API at this address too, without TLS."""
    lab.engine.stop()
    lab.engine.options = ["--host", f"tcp://{address}", "--tls=false"]
    try:
        lab.engine.start()
        yield
    finally:
        lab.engine.stop()
        lab.engine.options = []
        lab.engine.start()


def test_it_sees_a_docker_api_that_is_open(doctor: Doctor, rules: Lab) -> None:
    with listening(rules, f"{HOST}:2399"):
        assert doctor.finds("FAILS", f"Docker's API is open at {HOST}:2399")
        by_tcp = {"docker_server_host": f"{HOST}:2399"}
        assert doctor.finds("FAILS", f"Docker's API is open at {HOST}:2399", **by_tcp)
        assert "ok: Containers do not reach Docker's API." in doctor.run(fails=True, **by_tcp)


def test_it_sees_what_the_settings_give_away(doctor: Doctor) -> None:
    assert doctor.finds("FAILS", "may name any image", allowed_images="*")
    said = doctor.run(fails=True, allowed_images="*")
    assert "FAILS: Requests may name any image." in said
    assert doctor.finds("FAILS", "has no runtime runsc", container_runtime="runsc")


def test_it_warns_of_a_production_without_tokens(doctor: Doctor) -> None:
    doctor.run()  # makes the tables
    assert doctor.finds("warns", "may do everything", environment="production", auth="none")


def test_it_sees_tables_of_another_version(doctor: Doctor) -> None:
    assert doctor.finds("FAILS", "not up to date", environment="production")


def test_it_sees_that_docker_is_away(doctor: Doctor, tmp_path: Path) -> None:
    away = f"unix://{tmp_path}/nothing"
    assert doctor.finds("FAILS", "Docker cannot be reached", docker_server_host=away)


def test_it_sees_a_mount_point_that_is_not_there(doctor: Doctor, tmp_path: Path) -> None:
    assert doctor.finds("FAILS", "cannot be written", mount_point=str(tmp_path / "nothing"))


def test_it_does_not_know_what_it_cannot_try(doctor: Doctor, tmp_path: Path) -> None:
    table = tmp_path / "other.toml"
    table.write_text('default = "not-there"\n')
    assert doctor.finds("unknown", "cannot be tried", images_file=str(table))
    assert doctor.finds("ok", "have no network", container_network="none")
