"""The containers' network: who makes it, and what happens when it is not there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import pytest

from dockbox.runtime import network

from ..support.engine import Engine
from ..support.run import Run
from ..support.server import Server
from ..support.shared import new_box, shared_server
from ..support.site import Site

AT_ONCE = 8


def name_of(server: Server) -> str:
    return server.settings["CONTAINER_NETWORK"]


def networks(engine: Engine) -> list[dict[str, Any]]:
    """Those that Docker does not have by itself."""
    return list(engine.client().api.networks(filters={"type": "custom"}))


def test_containers_are_in_a_network_of_their_own_without_traffic_between_them(
    shared: Server, engine: Engine, site: Site
) -> None:
    boxes = [new_box(shared, site) for _ in range(2)]
    for id in boxes:
        with shared.connect(id) as terminal:
            assert "eth0" in terminal.run("ls /sys/class/net")
        found = engine.client().api.inspect_container(f"dockbox-{id}")
        assert list(found["NetworkSettings"]["Networks"]) == [name_of(shared)]
    [made] = networks(engine)
    assert (made["Name"], made["Driver"]) == (name_of(shared), "bridge")
    assert made["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    assert Path(f"/sys/class/net/{name_of(shared)}/bridge").is_dir()


def test_workers_that_make_the_network_at_once_end_well(run: Run, engine: Engine) -> None:
    name = run.network(engine.url)

    def make(_: int) -> None:
        with closing(docker.APIClient(engine.url, version="1.41")) as api:
            network.ensure(api, name)

    for _ in range(20):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(make, range(AT_ONCE)))
        [made] = networks(engine)
        assert made["Name"] == name
        engine.client().api.remove_network(name)


def test_a_network_with_a_longer_name_is_not_taken_for_it(run: Run, engine: Engine) -> None:
    name, api = run.network(engine.url), engine.client().api
    api.create_network(f"{name}-more", driver="bridge")
    network.ensure(api, name)
    assert {found["Name"] for found in networks(engine)} == {name, f"{name}-more"}


def test_a_network_that_is_there_is_used_as_it_is(
    shared: Server, engine: Engine, site: Site
) -> None:
    api = engine.client().api
    made = api.create_network(name_of(shared), driver="bridge")["Id"]
    id = new_box(shared, site)
    with shared.connect(id) as terminal:
        terminal.run("echo here")
        found = api.inspect_container(f"dockbox-{id}")["NetworkSettings"]["Networks"]
        assert found[name_of(shared)]["NetworkID"] == made
    assert [one["Id"] for one in networks(engine)] == [made]


@pytest.mark.parametrize("started", [True, False], ids=["it had run", "it had not run"])
@pytest.mark.parametrize("other", [True, False], ids=["another was made", "there is none"])
def test_a_dockbox_starts_after_its_network_was_removed(
    shared: Server, engine: Engine, site: Site, started: bool, other: bool
) -> None:
    api, id = engine.client().api, new_box(shared, site)
    if started:
        with shared.connect(id) as terminal:
            terminal.run("touch /kept")
        assert shared.post(f"/v1/dockbox/{id}/stop").status_code == 200
    api.remove_network(name_of(shared))
    if other:
        network.ensure(api, name_of(shared))
    with shared.connect(id) as terminal:
        assert "eth0" in terminal.run("ls /sys/class/net", timeout=30)
        if started:
            assert terminal.run("ls /kept") == "/kept\n"
    [made] = networks(engine)
    members = api.inspect_network(made["Id"])["Containers"].values()
    assert [member["Name"] for member in members] == [f"dockbox-{id}"]


def test_none_is_no_network(
    run: Run, engine: Engine, site: Site, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for server in shared_server(run, engine, tmp_path, container_network="none"):
        with server.connect(new_box(server, site)) as terminal:
            assert terminal.run("ls /sys/class/net").split() == ["lo"]
    assert networks(engine) == []
