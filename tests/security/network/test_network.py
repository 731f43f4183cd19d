"""What containers reach: the public internet, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ...support import images
from ...support.lab import (
    ANSWER,
    CGNAT,
    DATABASE,
    GATEWAY6,
    HOST,
    HOST6,
    INSIDE,
    METADATA,
    PRIVATE6,
    PUBLIC,
    PUBLIC6,
    Lab,
)  # fmt: skip
from .housed import Box, new_box

GATEWAY = "the gateway"
FORBIDDEN = {
    "the metadata service": (METADATA, 80),
    "the database": (DATABASE, 5432),
    "a private address": (DATABASE, 80),
    "a carrier's address": (CGNAT, 80),
    "the host at the gateway": (GATEWAY, 80),
    "the host at its public address": (HOST, 80),
    "the host at its private address": (INSIDE, 80),
    "the Docker API at the gateway": (GATEWAY, 2375),
    "the Docker API at the host": (INSIDE, 2375),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_container_does_not_reach(box: Box, name: str) -> None:
    address, port = FORBIDDEN[name]
    assert not box.reaches(box.gateway if address == GATEWAY else address, port)


def test_each_of_them_answers_when_the_rules_are_gone(box: Box, rules: Lab) -> None:
    rules.firewall("--remove")
    for address, port in FORBIDDEN.values():
        assert box.reaches(box.gateway if address == GATEWAY else address, port), (address, port)


@pytest.fixture
def neighbour(lab: Lab, tmp_path: Path) -> Iterator[Box]:
    with new_box(lab, tmp_path / "neighbour") as neighbour:
        neighbour.serve()
        yield neighbour


def test_a_container_does_not_reach_its_neighbour(box: Box, neighbour: Box) -> None:
    assert not box.reaches(neighbour.address)


def test_either_of_network_and_rules_keeps_neighbours_apart(changing: Lab, tmp_path: Path) -> None:
    rules = changing
    rules.firewall("--remove")
    with new_box(rules, tmp_path / "a") as box, new_box(rules, tmp_path / "b") as neighbour:
        neighbour.serve()
        # Docker drops without a word
        assert not box.reaches(neighbour.address, seconds=3, at_once=False)
    rules.bridge(icc=True)
    with new_box(rules, tmp_path / "c") as box, new_box(rules, tmp_path / "d") as neighbour:
        neighbour.serve()
        assert box.reaches(neighbour.address)
        rules.firewall()
        assert not box.reaches(neighbour.address)
        rules.firewall("--allow", "172.16.0.0/12")
        assert not box.reaches(neighbour.address)


def test_datagrams_reach_the_internet_only_too(box: Box, rules: Lab) -> None:
    assert box.reaches(PUBLIC, 80, by="udp")
    for address in (box.gateway, DATABASE):
        # whose refusal is sent but once, and not at all when there were many
        assert not box.reaches(address, 80, by="udp", seconds=3, at_once=False)
    rules.firewall("--remove")
    for address in (box.gateway, DATABASE):
        assert box.reaches(address, 80, by="udp")


def test_a_port_that_another_container_publishes_is_not_reached(box: Box, rules: Lab) -> None:
    api = rules.engine.client().api
    api.create_network("others", driver="bridge")
    config = api.create_host_config(network_mode="others", port_bindings={80: 8080})
    command = ["sh", "-c", f"while :; do echo {ANSWER} | nc -l -p 80; done"]
    other = api.create_container(images.BASH, command, ports=[80], host_config=config)["Id"]
    try:
        api.start(other)
        assert not box.reaches(HOST, 8080)
        assert not box.reaches(box.gateway, 8080)
        rules.firewall("--remove")
        assert box.reaches(HOST, 8080)
    finally:
        api.remove_container(other, force=True)
        api.remove_network("others")


def test_the_rules_hold_when_docker_was_restarted(rules: Lab, tmp_path: Path) -> None:
    rules.engine.restart()
    rules.firewall("--check")
    with new_box(rules, tmp_path) as box:
        assert box.reaches(PUBLIC)
        assert not box.reaches(METADATA)
        assert not box.reaches(box.gateway)


def test_a_resolver_is_asked_for_names_and_for_nothing_else(box: Box, rules: Lab) -> None:
    assert not box.reaches(DATABASE, 53)
    rules.firewall("--dns", DATABASE, "--dns", INSIDE)
    for address in (DATABASE, INSIDE):
        assert box.reaches(address, 53)
        assert not box.reaches(address, 80)
    assert not box.reaches(METADATA, 53)
    assert not box.reaches(HOST, 53)


def test_more_can_be_allowed_but_never_the_metadata_service(box: Box, rules: Lab) -> None:
    rules.firewall("--allow", f"{DATABASE}/32", "--block", f"{PUBLIC}/24")
    assert box.reaches(DATABASE, 5432)
    assert not box.reaches(PUBLIC)
    rules.firewall("--allow", "0.0.0.0/0")
    assert not box.reaches(METADATA)
    assert not box.reaches(box.gateway)


def test_the_rules_are_the_same_however_often_they_are_made(rules: Lab) -> None:
    def all_rules() -> list[str]:
        saved = [rules.host.run(f"{name}-save") for name in ("iptables", "ip6tables")]
        lines = "\n".join(saved).splitlines()
        return [line for line in lines if line.startswith(("-A", "*"))]

    first = all_rules()
    rules.firewall()
    assert all_rules() == first
    rules.firewall("--dry-run", "--allow", "10.0.0.0/8")
    rules.firewall("--dry-run", "--remove")
    assert all_rules() == first
    rules.firewall("--device", "another")
    rules.firewall("--check")
    rules.firewall("--check", "--device", "another")
    rules.firewall("--remove", "--device", "another")
    assert all_rules() == first
    rules.firewall("--remove")
    rules.firewall("--remove")
    assert not [line for line in all_rules() if "DOCKBOX" in line]
    rules.firewall()
    assert sorted(all_rules()) == sorted(first)


@pytest.mark.parametrize(
    "harm",
    [
        "iptables -D INPUT 1",
        "iptables -I INPUT -j ACCEPT",
        "iptables -D DOCKER-USER 1",
        "iptables -I DOCKER-USER -j RETURN",
        "iptables -D FORWARD -j DOCKER-USER",
        "iptables -D DOCKBOX-dockbox 5",
        "iptables -I DOCKBOX-dockbox -d 169.254.169.254/32 -j RETURN",
        "iptables -F DOCKBOX-IN-dockbox",
        "ip6tables -F DOCKBOX-dockbox",
    ],
)
def test_the_check_notices(rules: Lab, harm: str) -> None:
    rules.firewall("--check")
    rules.host.run(*harm.split())
    said = rules.firewall("--check", fails=True)
    assert harm.split()[0] in said
    undo = harm.replace(" -I ", " -D ")
    if undo != harm:
        rules.host.run(*undo.split())
    rules.firewall()
    rules.firewall("--check")


# --- IPv6 --------------------------------------------------------------------------------------


def test_a_container_has_no_ipv6_unless_the_operator_made_such_a_network(box: Box) -> None:
    assert "inet6" not in box.run("ip address")
    assert "Cannot assign" in box.run(f"bash -c 'exec 3<>/dev/udp/{PUBLIC6}/80' 2>&1")


@pytest.fixture
def box6(changing: Lab, tmp_path: Path) -> Iterator[Box]:
    """One in a network that has public IPv6 addresses."""
    changing.bridge(ipv6=True)
    with new_box(changing, tmp_path / "six") as box:
        yield box


def test_over_ipv6_a_container_reaches_the_internet_only(
    box6: Box, rules: Lab, tmp_path: Path
) -> None:
    with new_box(rules, tmp_path / "neighbour") as neighbour:
        neighbour.serve()
        link_local = neighbour.run("ip -6 address show dev eth0 scope link | grep -o fe80[^/]*")
        targets = {
            "the gateway": GATEWAY6, "the host": HOST6, "a private address": PRIVATE6,
            "the gateway on the link": f"{rules.link_local()}%eth0",
            "the neighbour": str(neighbour.network["GlobalIPv6Address"]),
            "the neighbour on the link": link_local.split()[0] + "%eth0",
        }  # fmt: skip
        assert box6.reaches(PUBLIC6)
        for name, address in targets.items():
            # a neighbour is not even found, which nobody says
            assert not box6.reaches(address, seconds=4, at_once="neighbour" not in name), name
        rules.firewall("--remove")
        for name, address in targets.items():
            assert box6.reaches(address), name


# --- raw sockets ----------------------------------------------------------------------------


def test_a_container_cannot_make_packets_of_its_own(box: Box) -> None:
    for command in (f"arping -c 1 -I eth0 {box.gateway}", f"traceroute -I -m 1 {PUBLIC}"):
        said = box.run(command)
        assert "not permitted" in said and "code=0" not in said, (command, said)
    for command in ("ip address add 10.9.0.7/24 dev eth0", "ip link set eth0 promisc on"):
        said = box.run(command)
        assert "not permitted" in said and "code=0" not in said, (command, said)
