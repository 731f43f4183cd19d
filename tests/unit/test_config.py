"""Settings: one message for all that is wrong, and what each spelling means."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from dockbox.config import PARSERS, REQUIRED, Config
from dockbox.errors import BadConfig

from ..support.run import ROOT

GOOD = {
    "ENVIRONMENT": "development",
    "PORT": "8000",
    "DOCKER_SERVER_HOST": "unix:///var/run/docker.sock",
    "DATABASE_NAME": "boxes",
    "DATABASE_HOST": "db.example",
    "DATABASE_PORT": "5432",
    "DATABASE_USER": "me",
    "DATABASE_PASSWORD": "s3cret",
    "MOUNT_POINT": "/srv/boxes",
}


def config(**changes: str | None) -> Config:
    """From ``GOOD`` with ``changes``, in lower case; ``None`` leaves a variable out."""
    env = {**GOOD, **{name.upper(): value for name, value in changes.items()}}
    return Config.from_env({name: value for name, value in env.items() if value is not None})


def complaint(**changes: str | None) -> str:
    with pytest.raises(BadConfig) as caught:
        config(**changes)
    return caught.value.message


def test_the_nine_of_the_original_are_required() -> None:
    assert set(REQUIRED) == set(GOOD)
    with pytest.raises(BadConfig) as caught:
        Config.from_env({})
    for name in GOOD:
        assert re.search(rf"\b{name}\b", caught.value.message), name


@pytest.mark.parametrize("name", sorted(GOOD))
def test_each_missing_one_is_named_and_no_other(name: str) -> None:
    message = complaint(**{name.lower(): None})
    assert [other for other in GOOD if re.search(rf"\b{other}\b", message)] == [name]


def test_one_message_names_every_missing_and_every_bad_one() -> None:
    message = complaint(
        port="eighty", mount_point=None, docker_server_host="ftp://x", database_user="",
        idle_timeout="-1", container_memory="lots", runtime="podman", private_sources="10.0.0.0/99",
    )  # fmt: skip
    for name in (
        "PORT", "MOUNT_POINT", "DOCKER_SERVER_HOST", "DATABASE_USER", "IDLE_TIMEOUT",
        "CONTAINER_MEMORY", "RUNTIME", "PRIVATE_SOURCES",
    ):  # fmt: skip
        assert re.search(rf"\b{name}\b", message), name
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("environment", "staging"), ("environment", "Production"),
        ("port", "0"), ("port", "65536"), ("port", "80.5"), ("port", ""),
        ("docker_server_host", "localhost"), ("docker_server_host", "unix://relative"),
        ("docker_server_host", "host:port"), ("docker_server_host", "tcp://"),
        ("database_name", ""), ("database_port", "x"), ("mount_point", ""),
        ("web_concurrency", "0"), ("idle_timeout", "1.5"), ("stop_grace", "-1"),
        ("create_wait", "soon"), ("create_wait", "nan"), ("stall_timeout", "0"),
        ("ping_interval", "0"), ("source_timeout", "0"), ("source_max_bytes", "-1"),
        ("source_max_bytes", "10x"), ("container_cpus", "0"), ("container_cpus", "inf"),
        ("container_pids", "0"), ("max_dockboxes", "-1"), ("auth", "basic"),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_by_name(name: str, value: str) -> None:
    assert re.search(rf"\b{name.upper()}\b", complaint(**{name: value}))


def test_the_values_are_parsed_and_frozen() -> None:
    made = config()
    assert (made.port, made.database_port, made.mount_point) == (8000, 5432, Path("/srv/boxes"))
    assert (made.idle_timeout, made.stop_grace, made.create_wait) == (60, 3, 45)
    assert (made.source_max_bytes, made.source_max_files) == (2 * 1024**3, 200_000)
    assert (made.scrollback_bytes, made.container_memory) == (262144, 1024**3)
    with pytest.raises(FrozenInstanceError):
        made.port = 1  # type: ignore[misc]


def test_an_optional_setting_that_is_empty_has_its_default_and_zero_is_a_value() -> None:
    assert config(idle_timeout="").idle_timeout == 60
    assert config(idle_timeout="0").idle_timeout == 0
    assert config(stop_grace="0").stop_grace == 0
    assert config(create_wait="0").create_wait == 0


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("unix:///run/docker.sock", "unix:///run/docker.sock"),
        ("tcp://10.0.0.5:2375", "tcp://10.0.0.5:2375"),
        ("ssh://me@docker.example", "ssh://me@docker.example"),
        ("10.0.0.5:2375", "tcp://10.0.0.5:2375"),
        ("docker.example:2375", "tcp://docker.example:2375"),
        ("localhost:2375", "tcp://localhost:2375"),
    ],
)
def test_the_docker_host_may_be_spelled_as_the_original_did(text: str, url: str) -> None:
    assert config(docker_server_host=text).docker_server_host == url


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1048576", 1024**2), ("512m", 512 * 1024**2), ("1g", 1024**3), ("2 GiB", 2 * 1024**3),
        ("1.5G", 1536 * 1024**2), ("64kb", 65536), ("1T", 1024**4), ("10b", 10),
    ],
)  # fmt: skip
def test_a_size_has_units_of_1024(text: str, size: int) -> None:
    assert config(container_memory=text).container_memory == size


def certificates(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).touch()
    return str(folder)


def test_tls_to_docker_needs_both_settings_all_three_files_and_tcp(tmp_path: Path) -> None:
    host = {"docker_server_host": "docker.example:2376"}
    whole = certificates(tmp_path, "ca.pem", "cert.pem", "key.pem")
    made = config(**host, docker_tls_verify="1", docker_cert_path=whole)
    assert (made.docker_tls_verify, made.docker_cert_path) == (True, tmp_path)
    assert (config().docker_tls_verify, config().docker_cert_path) == (False, None)
    assert not config(docker_tls_verify="", docker_cert_path="").docker_tls_verify
    assert complaint(**host, docker_tls_verify="1").endswith(
        "bad: DOCKER_TLS_VERIFY needs DOCKER_CERT_PATH"
    )
    assert complaint(**host, docker_cert_path=whole).endswith(
        "bad: DOCKER_CERT_PATH needs DOCKER_TLS_VERIFY=1"
    )
    message = complaint(docker_tls_verify="1", docker_cert_path=whole)
    assert message.endswith("bad: DOCKER_TLS_VERIFY needs a DOCKER_SERVER_HOST of tcp://host:port")
    assert "DOCKER_TLS_VERIFY must be 1" in complaint(
        **host, docker_tls_verify="false", docker_cert_path=whole
    )


@pytest.mark.parametrize("missing", ["ca.pem", "cert.pem", "key.pem"])
def test_a_folder_without_one_of_the_certificates_is_bad(tmp_path: Path, missing: str) -> None:
    names = {"ca.pem", "cert.pem", "key.pem"} - {missing}
    message = complaint(
        docker_server_host="tcp://docker.example:2376", docker_tls_verify="1",
        docker_cert_path=certificates(tmp_path, *names), port="x",
    )  # fmt: skip
    assert "PORT" in message and "DOCKER_CERT_PATH must be a folder" in message
    assert missing in message and "\n" not in message


def test_lists_are_split_at_commas() -> None:
    made = config(
        private_sources=" 10.0.0.0/8, git.example ,", allowed_origins="https://a,https://b"
    )
    assert made.private_sources == ("10.0.0.0/8", "git.example")
    assert made.allowed_origins == ("https://a", "https://b")


def test_an_empty_database_host_is_sqlite_and_needs_no_login() -> None:
    others = dict.fromkeys(("database_host", "database_port", "database_user"), "")
    made = config(**others, database_password="")
    assert made.sqlite and made.database_port is None
    assert not config().sqlite
    message = complaint(**{**others, "database_host": "db.example"}, database_password="")
    for name in ("DATABASE_PORT", "DATABASE_USER", "DATABASE_PASSWORD"):
        assert name in message


@pytest.mark.parametrize(("high", "low"), [("60", "60"), ("50", ""), ("10", "20")])
def test_images_go_between_two_marks(high: str, low: str) -> None:
    assert "IMAGES_HIGH" in complaint(images_high=high, images_low=low)
    made = config(images_high="61"), config(images_high="0", images_low="80"), config()
    assert [(one.images_high, one.images_low) for one in made] == [(61, 60), (0, 80), (0, 60)]


def test_no_secret_is_in_the_repr_or_a_message() -> None:
    assert "s3cret" not in repr(config())
    assert "s3cret" not in complaint(port="x")


def test_production_binds_to_all_and_development_to_loopback() -> None:
    assert config().bind == "127.0.0.1:8000"
    made = config(environment="production", auth="none")
    assert (made.bind, made.production) == ("0.0.0.0:8000", True)
    assert made.web_concurrency >= 1
    assert config(host="10.1.2.3").bind == "10.1.2.3:8000"


def test_production_asks_for_tokens_unless_told_otherwise() -> None:
    assert config().auth == "none"
    assert config(environment="production").auth == "token"
    assert config(environment="production", auth="none").auth == "none"


def test_the_env_file_holds_the_nine_each_explained_and_harmless() -> None:
    lines = (ROOT / ".env").read_text().splitlines()
    found: dict[str, Any] = {}
    explained = False
    for line in lines:
        if line.startswith("#"):
            explained = True
        elif not line:
            explained = False
        else:
            name, _, value = line.partition("=")
            found[name] = (value, explained)
    assert set(REQUIRED) <= set(found) <= set(PARSERS)
    assert all(explained for _, explained in found.values())
    made = Config.from_env({name: value for name, (value, _) in found.items()})
    assert not made.production and made.sqlite and made.host == "127.0.0.1"


START = {
    "gunicorn": ["-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "wsgi:app"],
    "flask": ["-m", "flask", "--app", "wsgi", "routes"],
}


@pytest.mark.parametrize("how", sorted(START))
@pytest.mark.parametrize("settings", [{}, {**GOOD, "PORT": "x", "MOUNT_POINT": ""}])
def test_a_start_with_bad_settings_says_so_once_and_exits_1(
    tmp_path: Path, how: str, settings: dict[str, str]
) -> None:
    leave = shutil.ignore_patterns("__pycache__")
    for folder in ("dockbox", "deploy"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=leave)
    shutil.copy(ROOT / "wsgi.py", tmp_path)
    done = subprocess.run(
        [sys.executable, *START[how]], cwd=tmp_path, env={"PATH": "/usr/bin:/bin", **settings},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    output = done.stdout + done.stderr
    assert "Traceback" not in output
    assert "s3cret" not in output
    [message] = [line for line in output.splitlines() if "Bad settings" in line]
    for name in ("PORT", "MOUNT_POINT") if settings else GOOD:
        assert re.search(rf"\b{name}\b", message)


def test_a_bad_time_for_requests_is_said_as_any_other_bad_setting() -> None:
    done = subprocess.run(
        [sys.executable, *START["gunicorn"], "--check-config"], cwd=ROOT, capture_output=True,
        env={"PATH": "/usr/bin:/bin", **GOOD, "REQUEST_TIMEOUT": "soon"}, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "Bad settings: bad: REQUEST_TIMEOUT is not a number\n"
