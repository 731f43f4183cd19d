"""``flask dockbox doctor`` on the lab's host: it praises what holds, and sees what does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ...support import images
from ...support.doctor import Doctor, filled, small_disk
from ...support.lab import DATABASE, HOST, Lab
from ...support.postgres import Postgres
from ...support.run import ROOT, Run

pytestmark = pytest.mark.postgres
ELSEWHERE = {"database_host": DATABASE, "database_port": "5432"}
BRIEFLY = {"container_network": "none"}  # no containers to look from, which take most of the time
REGISTRY = "127.0.0.1:5000"  # where nobody listens
SETTINGS = {
    "ENVIRONMENT": "production", "PORT": "8000", "AUTH": "token", "LOG_FORMAT": "text",
}  # fmt: skip


@pytest.fixture(scope="module")
def healthy(
    lab: Lab, run: Run, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Doctor]:
    """An installation that is as it should be, with PostgreSQL, and a small disk for its files."""
    folder = tmp_path_factory.mktemp("doctor")
    mount, table = folder / "mount", folder / "images.toml"
    mount.mkdir()
    table.write_text(f'default = "{images.BASH}"\n')
    # by its Unix socket, since the lab's host is not the one that PostgreSQL is on
    database = postgres.database() | {"DATABASE_HOST": str(postgres.folder)}
    places = {
        "MOUNT_POINT": str(mount), "DOCKER_SERVER_HOST": lab.engine.url,
        "CONTAINER_NETWORK": lab.device, "IMAGES_FILE": str(table),
    }  # fmt: skip
    settings = {**SETTINGS, **places, **database}
    flask(run, settings, "db", "upgrade")
    with small_disk(mount, "16m"):
        doctor = Doctor(lab, run, settings)
        try:
            yield doctor
        finally:
            doctor.close()


@pytest.fixture
def doctor(lab: Lab, healthy: Doctor) -> Iterator[Doctor]:
    yield healthy
    left = lab.engine.client().api.containers(all=True, filters={"label": "dockbox.doctor"})
    assert left == []
    assert list(Path(healthy.settings["MOUNT_POINT"]).glob("*")) == []


def flask(run: Run, settings: dict[str, str], *command: str) -> None:
    """``flask --app wsgi …``, as an operator types it."""
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *command],
        cwd=ROOT, env=run.environment(**settings), check=True, capture_output=True, timeout=60,
    )  # fmt: skip


# --- six faults, planted and taken away by what the finding says ----------------------------


@dataclass(frozen=True)
class Place:
    """Where faults are planted."""

    lab: Lab
    run: Run
    doctor: Doctor

    @property
    def mount(self) -> Path:
        return Path(self.doctor.settings["MOUNT_POINT"])


@contextmanager
def older_tables(place: Place) -> Iterator[None]:
    flask(place.run, place.doctor.settings, "db", "downgrade")
    yield
    flask(place.run, place.doctor.settings, "db", "upgrade")


@contextmanager
def docker_away(place: Place) -> Iterator[None]:
    place.lab.engine.stop()
    yield
    place.lab.engine.start()


@contextmanager
def files_of_another_host(place: Place) -> Iterator[None]:
    with place.doctor.mounted(place.mount):
        yield


@contextmanager
def full_disk(place: Place) -> Iterator[None]:
    with filled(place.mount, free=0):
        yield


@contextmanager
def no_firewall(place: Place) -> Iterator[None]:
    place.lab.firewall("--remove")
    yield
    place.lab.firewall()


@contextmanager
def image_of_no_registry(place: Place) -> Iterator[None]:
    table = Path(place.doctor.settings["IMAGES_FILE"])
    good = table.read_text()
    table.write_text(f'{good}[languages]\ngo = "{REGISTRY}/go:1"\n')
    yield
    table.write_text(good)


FAULTS: dict[Callable[[Place], AbstractContextManager[None]], tuple[str, str]] = {
    older_tables: ("The database's tables are not up to date", "flask --app wsgi db upgrade"),
    docker_away: ("Docker cannot be reached", "DOCKER_SERVER_HOST"),
    files_of_another_host: ("does not see MOUNT_POINT at its path", "the same file system"),
    full_disk: ("No space left on device", "docs/operating.md"),
    no_firewall: ("Containers reach a cloud's metadata service", "deploy/firewall"),
    image_of_no_registry: (f"cannot pull them: {REGISTRY}/go:1", "Mend IMAGES_FILE"),
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_it_finds_each_fault_says_what_to_do_and_is_content_without_it(
    doctor: Doctor, lab: Lab, run: Run, fault: Callable[[Place], AbstractContextManager[None]]
) -> None:
    what, todo = FAULTS[fault]
    settings = {} if fault is no_firewall else BRIEFLY
    with fault(Place(lab, run, doctor)):
        found = [one for one in doctor.findings(True, **settings) if one["state"] == "FAILS"]
        assert any(what in one["what"] and todo in one["what"] + one["todo"] for one in found)
        assert all(one["todo"] or "Run: " in one["what"] for one in found), found
    assert all(one["state"] != "FAILS" for one in doctor.findings(**settings))


# --- what else it sees ----------------------------------------------------------------------


def test_it_is_content_with_a_good_installation(doctor: Doctor) -> None:
    lines = doctor.run().splitlines()
    states = {line.partition(":")[0] for line in lines}
    # it runs as root here, the engine has no user namespaces, and this machine may have little room
    for line in lines:
        excused = ("as root.", "Root in a container", "of Docker's disk")
        assert not line.startswith("warns") or any(words in line for words in excused), line
    assert states == {"ok", "warns"}, lines
    for words in (
        "tables are up to date", "API is not open", "seccomp", "can be written",
        "sees MOUNT_POINT", "keeps containers from each other", "a cloud's metadata service",
        "do not reach the engine's host", "do not reach another container",
    ):  # fmt: skip
        assert any(words in line for line in lines), (words, lines)


def test_it_tries_the_database_whether_it_answers_or_not(doctor: Doctor, rules: Lab) -> None:
    said = doctor.run(fails=True, **ELSEWHERE)
    assert "FAILS: tables: The database cannot be reached. See that it runs where" in said
    assert "ok: Containers do not reach the database." in said
    rules.firewall("--remove")
    said = doctor.run(fails=True, **ELSEWHERE)
    for what in ("the engine's host", "the database"):
        assert f"FAILS: Containers reach {what}" in said, said
    assert "ok: Containers do not reach another container." in said


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
        said = doctor.run(fails=True, **by_tcp)
        assert f"FAILS: Docker's API is open at {HOST}:2399" in said
        assert "ok: Containers do not reach Docker's API." in said


def test_it_sees_what_the_settings_give_away(doctor: Doctor) -> None:
    said = doctor.run(fails=True, allowed_images="*", container_runtime="runsc")
    assert "FAILS: Requests may name any image." in said
    assert "FAILS: Docker has no runtime runsc." in said


def test_it_warns_of_a_production_without_tokens(doctor: Doctor) -> None:
    assert doctor.finds("warns", "may do everything", auth="none", **BRIEFLY)


def test_it_sees_a_mount_point_that_is_not_there(doctor: Doctor, tmp_path: Path) -> None:
    nothing = str(tmp_path / "nothing")
    assert doctor.finds("FAILS", "cannot be written", mount_point=nothing, **BRIEFLY)


def test_it_does_not_know_what_it_cannot_try(doctor: Doctor, tmp_path: Path) -> None:
    table = tmp_path / "other.toml"
    table.write_text(f'default = "{REGISTRY}/not-there"\n')
    said = doctor.run(fails=True, images_file=str(table))
    assert "unknown: What containers reach cannot be tried without an image." in said
    assert doctor.finds("ok", "have no network", container_network="none")
