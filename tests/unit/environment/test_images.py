"""The table of images, and what a user may choose."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from dockbox.config import PACKAGED_IMAGES
from dockbox.environment import Images
from dockbox.environment.reference import Reference
from dockbox.errors import BadConfig, BadRequest, ImageForbidden

IMAGES = Images("debian:12", {"python": "python:3.13", "java": "maven:3", "c": "gcc:14"})
DIGEST = "@sha256:" + "a" * 64


def load(tmp_path: Path, text: str | bytes) -> Images:
    path = tmp_path / "images.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Images.load(path)


@pytest.mark.parametrize(
    "language",
    ["python", "javascript", "typescript", "go", "rust", "java", "c", "c++", "ruby", "php", "c#"],
)
def test_the_packaged_table_knows_the_common_languages(language: str) -> None:
    images = Images.load(PACKAGED_IMAGES)
    assert images.for_language(language) != images.default


def test_every_packaged_image_names_a_version() -> None:
    images = Images.load(PACKAGED_IMAGES)
    for image in (images.default, *images.languages.values()):
        reference = Reference.parse(image)
        assert reference and reference.tag != "latest", image


def test_a_table_is_read(tmp_path: Path) -> None:
    images = load(tmp_path, 'default = "debian:12"\n[languages]\n"c++" = "gcc:14"\n')
    assert (images.default, dict(images.languages)) == ("debian:12", {"c++": "gcc:14"})
    assert load(tmp_path, 'default = "debian:12"') == Images("debian:12", {})


def test_a_table_cannot_be_changed(tmp_path: Path) -> None:
    images: Any = load(tmp_path, 'default = "debian:12"\n[languages]\nc = "gcc:14"\n')
    with pytest.raises(FrozenInstanceError):
        images.default = "x"
    with pytest.raises(TypeError):
        images.languages["c"] = "x"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("default = ", "not TOML"), ("{}", "not TOML"), (b"default = '\xff'", "not UTF-8"),
        ("", "no default"), ("[languages]\nc = 'gcc'", "no default"),
        ("default = 3", "'default' is not text"), ("default = []", "'default' is not text"),
        ("default = ''", "'default' is not a valid image"),
        ("default = 'a b'", "'default' is not a valid image: 'a b'"),
        ("default = 'x'\nlanguages = 3", "'languages' is not a table"),
        ("default = 'x'\nlanguages = []", "'languages' is not a table"),
        ("default = 'x'\n[languages]\nc = 3", "'languages.c' is not text"),
        ("default = 'x'\n[languages]\nc.d = 'x'", "'languages.c' is not text"),
        ("default = 'x'\n[languages]\nc = 'UPPER'", "'languages.c' is not a valid image"),
        ("default = 'x'\n[languages]\nPython = 'x'", "'Python' is not lower-case"),
        ("default = 'x'\n[languages]\n' c' = 'x'", "' c' is not lower-case"),
        ("default = 'x'\n[langauges]\nc = 'x'", "'langauges'"),
    ],
)  # fmt: skip
def test_a_bad_table_is_named_in_one_sentence(
    tmp_path: Path, text: str | bytes, problem: str
) -> None:
    with pytest.raises(BadConfig) as caught:
        load(tmp_path, text)
    message = caught.value.message
    assert problem in message
    assert message.endswith(".") and "\n" not in message and str(tmp_path) not in message


def test_a_table_that_cannot_be_read_is_named_without_its_path(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(BadConfig, match=r"cannot be read: [A-Z]") as caught:
            Images.load(path)
        assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize(
    ("language", "image"),
    [
        ("python", "python:3.13"), ("java", "maven:3"), (None, "debian:12"), ("go", "debian:12"),
        ("kotlin", "maven:3"), ("c++", "gcc:14"), ("typescript", "debian:12"),
    ],
)  # fmt: skip
def test_a_language_has_its_image_or_that_of_a_relative_or_the_default(
    language: str | None, image: str
) -> None:
    assert IMAGES.for_language(language) == image
    assert IMAGES.choose(language, None, ()) == image
    assert IMAGES.choose(language, None, ("ghcr.io/acme/*",)) == image


@pytest.mark.parametrize(
    ("text", "domain", "path", "tag"),
    [
        ("python", "docker.io", "library/python", "latest"),
        ("python:3.13", "docker.io", "library/python", "3.13"),
        ("docker.io/python", "docker.io", "library/python", "latest"),
        ("docker.io/library/python", "docker.io", "library/python", "latest"),
        ("index.docker.io/acme/x", "docker.io", "acme/x", "latest"),
        ("acme/x_y__z--a.b", "docker.io", "acme/x_y__z--a.b", "latest"),
        ("ghcr.io/acme/a/b:V_1.0-x", "ghcr.io", "acme/a/b", "V_1.0-x"),
        ("GHCR.io/acme/a", "ghcr.io", "acme/a", "latest"),
        ("localhost/x", "localhost", "x", "latest"),
        ("localhost:5000/x:1", "localhost:5000", "x", "1"),
        ("registry:5000/x", "registry:5000", "x", "latest"),
        ("Registry/x", "registry", "x", "latest"),
        ("[::1]:5000/x:1", "[::1]:5000", "x", "1"),
        ("x" + DIGEST, "docker.io", "library/x", None),
        ("x:1" + DIGEST, "docker.io", "library/x", None),
        ("x:" + "t" * 128, "docker.io", "library/x", "t" * 128),
    ],
)  # fmt: skip
def test_a_reference_is_normalised_as_docker_does(
    text: str, domain: str, path: str, tag: str | None
) -> None:
    reference = Reference.parse(text)
    assert reference == Reference(domain, path, tag, DIGEST[1:] if "@" in text else None)


@pytest.mark.parametrize(
    "wanted",
    [
        "", " ", "python ", "python\n", "a b", "Python", "acme/Python", "-x", "x-", "x/", "/x",
        "a//b", "../x", "a/../b", "x:", "x:-1", "x:" + "t" * 129, "x@", "x@sha256:abc",
        "x@sha256:" + "A" * 64, "x@md5:" + "a" * 32, "x" + DIGEST + "a", "x::1", "x:1:2", "a___b",
        "a..b", "https://x.org/a", "me:pw@x.org/a", "x.org:port/a", "[1]/x", "x;id", "$(id)", "*",
        "pythön", "python:3٣", "x\x00", "a" * 256, "a/" * 200 + "a", "a" * 64, "-" * 500_000,
        "a" * 500_000, "docker.io/" + "a" * 240,
    ],
    ids=lambda text: repr(text[:30]),
)  # fmt: skip
def test_what_is_no_reference_is_a_bad_request_that_is_not_repeated(wanted: str) -> None:
    with pytest.raises(BadRequest) as caught:
        IMAGES.choose("python", wanted, ("*",))
    assert len(caught.value.message) < 100 and "pw" not in caught.value.message


@pytest.mark.parametrize(
    ("wanted", "pattern", "fine"),
    [
        ("python", "python", True), ("python:3.13", "python", True),
        ("python" + DIGEST, "python", True), ("python", "python:latest", True),
        ("python:latest", "python", True), ("python:3.13", "python:3.13", True),
        ("python:3.12", "python:3.13", False), ("python", "python:3.13", False),
        ("python:3.13", "python:3.*", True), ("python:3.13", "python:3", False),
        ("python:3.13", "python:3.1", False), ("python:2.7", "python:3.*", False),
        ("python:3x13", "python:3.13", False), ("pythonx", "python", False),
        ("xpython", "python", False), ("python", "docker.io/library/python", True),
        ("docker.io/library/python:3", "python", True), ("docker.io/python", "python", True),
        ("index.docker.io/library/python", "python", True), ("evil/python", "python", False),
        ("ghcr.io/library/python", "python", False), ("ghcr.io/python", "python", False),
        ("ghcr.io/acme/x:1", "ghcr.io/acme/*", True), ("ghcr.io/acme/a/b", "ghcr.io/acme/*", True),
        ("GHCR.IO/acme/x", "ghcr.io/acme/x", True),
        ("ghcr.io/acmes/x", "ghcr.io/acme/*", False), ("acme/x", "ghcr.io/acme/*", False),
        ("ghcr.io/acme", "ghcr.io/acme/*", False), ("acme/x", "acme/*", True),
        ("evil.io/acme/x", "acme/*", False), ("evil.io/ghcr.io/acme/x", "ghcr.io/acme/*", False),
        ("a.corp.io/x", "*.corp.io/x", True), ("evil.io/a.corp.io/x", "*.corp.io/x", False),
        ("localhost:5000/x", "localhost:5000/*", True), ("localhost/x", "localhost:5000/*", False),
        ("localhost:5000/x:2", "localhost:5000/x:1", False),
        ("anything/at:all", "*", True), ("ghcr.io/a/b" + DIGEST, "*", True),
        ("acme/x", "docker.io/*", True), ("python:3", "docker.io/*", True),
        ("ghcr.io/x", "docker.io/*", False), ("python:3", "python*", True),
        ("pypy:3", "python*", False), ("acme/python:3", "python*", False),
        ("python:3.13" + DIGEST, "python:3.13", False), ("python:3" + DIGEST, "python:*", False),
        ("python" + DIGEST, "python" + DIGEST, True),
        ("python:3" + DIGEST, "python" + DIGEST, True),
        ("python@sha256:" + "b" * 64, "python" + DIGEST, False),
        ("python", "python" + DIGEST, False), ("python" + DIGEST, "python@sha256:*", True),
        ("python:3", "python@sha256:*", False), ("python", "p[xy]thon", False),
        ("python", "pytho?", False), ("python", "", False), ("python", "Python", False),
    ],
)  # fmt: skip
def test_a_pattern_allows_or_forbids(wanted: str, pattern: str, fine: bool) -> None:
    if fine:
        assert IMAGES.choose("go", wanted, ("nothing/like", pattern)) == wanted
    else:
        with pytest.raises(ImageForbidden):
            IMAGES.choose("go", wanted, ("nothing/like", pattern))


@pytest.mark.parametrize(
    ("wanted", "fine"),
    [
        ("python:3.13", True), ("docker.io/library/python:3.13", True), ("debian:12", True),
        ("maven:3", True), ("python", False), ("python:3.12", False), ("evil/python:3.13", False),
        ("ghcr.io/library/python:3.13", False), ("python:3.13" + DIGEST, False),
    ],
)  # fmt: skip
def test_without_patterns_the_images_of_the_table_are_allowed(wanted: str, fine: bool) -> None:
    if fine:
        assert IMAGES.choose("go", wanted, ()) == wanted
    else:
        with pytest.raises(ImageForbidden):
            IMAGES.choose("go", wanted, ())


def test_the_refusal_names_the_image() -> None:
    with pytest.raises(ImageForbidden, match=r"^The image evil/x:1 is not allowed") as caught:
        IMAGES.choose("python", "evil/x:1", ("python",))
    assert caught.value.status == 403


def test_patterns_replace_the_table_for_what_users_ask_for() -> None:
    with pytest.raises(ImageForbidden):
        IMAGES.choose("python", "python:3.13", ("ghcr.io/acme/*",))
