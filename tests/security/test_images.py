"""Images that are not in ALLOWED_IMAGES, in every spelling that Docker might take for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..conftest import SERVERS
from ..support import images
from ..support.engine import Engine
from ..support.registry import Registry
from ..support.run import Run
from ..support.server import Server
from ..support.traces import nothing_left
from ..support.world import World, sqlite

SECRET = "dockbox-test/secret:1"  # the engine has it, so it needs no pull
OTHER = "dockbox-test/bash:2"
DIGEST = "@sha256:" + "0" * 64


@pytest.fixture(scope="module")
def world(run: Run, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with sqlite() as database:
        world = World(
            run, engine, tmp_path_factory.mktemp("images"), database, web_concurrency=1,
            allowed_images=images.BASH,
        )  # fmt: skip
        world.server.start()
        yield world
        world.close()


@pytest.fixture
def server(world: World, request: pytest.FixtureRequest) -> Iterator[Server]:
    request.node.stash[SERVERS] = [world.server]
    for name in (SECRET, OTHER):
        world.engine.import_image(name)
    yield world.server
    world.clean()


@pytest.mark.parametrize("image", [images.BASH, f"docker.io/{images.BASH}"])
def test_what_is_allowed_is_allowed(world: World, server: Server, image: str) -> None:
    assert server.create(world.archive(), image=image)["image"] == image


@pytest.mark.parametrize(
    "image",
    [
        SECRET, OTHER, "dockbox-test/bash", "dockbox-test/bash:latest", images.SH,
        f"docker.io/{SECRET}", f"index.docker.io/{SECRET}", f"DOCKER.IO/{SECRET}",
        f"{images.BASH}{DIGEST}", f"dockbox-test/bash{DIGEST}", f"evil.example/{images.BASH}",
        f"localhost/{images.BASH}", f"{images.BASH}.evil", f"{images.BASH}1",
        f"evil/{images.BASH}", f"docker.io/library/{images.BASH}", "dockbox-test/bash/evil:1",
        "Dockbox-test/bash:1", "dockbox-test/BASH:1", f" {images.BASH}", f"{images.BASH}\n",
        f"{images.BASH},{SECRET}", f"{images.BASH}:2", f"{images.BASH}@{SECRET}", "*", "dockbox-*",
        f"https://docker.io/{images.BASH}", f"../{images.BASH}", "0" * 64, "sha256:" + "0" * 64,
    ],
)  # fmt: skip
def test_what_is_not_allowed_gets_no_container(world: World, server: Server, image: str) -> None:
    answer = server.post("/v1/dockbox", json={"url": world.archive(), "image": image})
    assert answer.status_code in (400, 403), answer.text
    if answer.status_code == 403:
        assert answer.json()["code"] == "image_forbidden"
    nothing_left(server, world.engine, timeout=0)


def test_the_id_of_an_image_is_no_name_for_it(world: World, server: Server) -> None:
    """Docker takes it for the image, or the beginning of it."""
    full = world.engine.client().images.get(SECRET).id.removeprefix("sha256:")
    for image in (full, full[:12], f"sha256:{full}"):
        answer = server.post("/v1/dockbox", json={"url": world.archive(), "image": image})
        assert answer.status_code in (400, 403), answer.text


def test_a_registry_of_ones_own_is_not_asked(
    world: World, server: Server, registry: Registry
) -> None:
    image = registry.push(world.engine.client(), images.BASH)
    answer = server.post("/v1/dockbox", json={"url": world.archive(), "image": image})
    assert (answer.status_code, answer.json()["code"]) == (403, "image_forbidden")
