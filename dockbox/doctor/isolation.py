"""What containers reach, tried from inside one."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..runtime.probe import Place
from .finding import FAILS, OK, UNKNOWN, WARNS, Finding, Patient

Target = tuple[str, int]
METADATA: Target = ("169.254.169.254", 80)
SSH, DOCKER, NOBODY = 22, 2375, 9  # ports
FIREWALL = "Run deploy/firewall as root on the engine's host, and at each of its boots."
# For each pair of an address and a port a line: address, port, exit code, what was said.  busybox's
# nc would wait for more after it has connected; with -e it ends.
TRY = r"""
try() {
  if command -v bash >/dev/null 2>&1
  then said=$(timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>&1)
  else said=$(timeout 9 nc -w 5 "$1" "$2" -e true 2>&1)
  fi
  code=$?
  command -v bash >/dev/null 2>&1 || [ $code != 143 ] || code=unknown
  echo "$1 $2 $code $(echo "$said" | tr '\n' ' ')"
}
while [ $# -gt 1 ]; do try "$1" "$2" & shift 2; done; wait
"""
# A refusal comes from the address itself, so it was reached.
REACHED = re.compile(r"0 |\S+ .*refused")
BLOCKED = re.compile(r"(124|143) |1 .*(No route|unreachable|timed out|prohibited|ermission denied)")


def network(patient: Patient) -> Iterator[Finding]:
    name = patient.config.container_network
    if name == "none":
        yield Finding(OK, "Containers have no network.")
        return
    found = patient.docker.network()
    if found.driver != "bridge":
        yield Finding(WARNS, f"The network {name} is no bridge: deploy/firewall is not for it.")
    elif found.icc:
        todo = f"Run: docker network rm {name} (dockbox makes it anew)."
        yield Finding(FAILS, f"The network {name} lets containers reach each other.", todo)
    else:
        yield Finding(OK, f"The network {name} keeps containers from each other.")
    if found.driver == "bridge" and found.device != name:
        todo = f"Run: deploy/firewall --device {found.device}"
        yield Finding(WARNS, f"The network {name} has the device {found.device}.", todo)


def firewall(patient: Patient) -> Iterator[Finding]:
    """Try, from inside, to reach what must not be reached."""
    docker, image = patient.docker, patient.image
    if patient.config.container_network == "none":
        return
    if image is None:
        yield Finding(UNKNOWN, "What containers reach cannot be tried without an image.")
        return
    with _listening() as port, docker.container(image) as place, docker.container(image) as other:
        wanted = list(_forbidden(patient, place, other, port))
        control = ("127.0.0.1", NOBODY)
        pairs = [control, *(target for one in wanted for target in one.targets)]
        said = docker.run(place, TRY, *(str(word) for pair in pairs for word in pair))
    results = _results(said)
    if results.get(control) is not True:
        yield Finding(UNKNOWN, f"{image} has neither bash nor nc to try what containers reach.")
        return
    yield from (one.judge(results) for one in wanted)


@contextmanager
def _listening() -> Iterator[int]:
    """A port at which this host is sure to answer, whatever else runs on it."""
    with socket.create_server(("", 0)) as listener:
        yield int(listener.getsockname()[1])


@dataclass(frozen=True)
class Forbidden:
    """Something that containers must not reach, by any of its ``targets``."""

    what: str
    targets: Sequence[Target]

    def judge(self, results: dict[Target, bool | None]) -> Finding:
        reached = [
            f"{host} port {port}" for host, port in self.targets if results.get((host, port))
        ]
        if reached:
            return Finding(FAILS, f"Containers reach {self.what}: {', '.join(reached)}.", FIREWALL)
        if any(results.get(target) is None for target in self.targets):
            return Finding(UNKNOWN, f"It is not clear whether containers reach {self.what}.")
        return Finding(OK, f"Containers do not reach {self.what}.")


def _forbidden(patient: Patient, place: Place, other: Place, port: int) -> Iterator[Forbidden]:
    config = patient.config
    yield Forbidden("a cloud's metadata service", [METADATA])
    hosts = {*place.gateways, *(_own_addresses() if patient.local else ())}
    ports = [SSH, DOCKER, config.port, *([port] if patient.local else ())]
    yield Forbidden("the engine's host", [(host, at) for host in sorted(hosts) for at in ports])
    # Where nobody listens, it is the neighbour itself that would refuse.
    yield Forbidden("another container", [(other.address, NOBODY)])
    if targets := _addresses(config.database_host, config.database_port or 5432):
        yield Forbidden("the database", targets)
    engine = urlsplit(config.docker_server_host)
    if engine.scheme == "tcp" and (targets := _addresses(engine.hostname or "", engine.port or 0)):
        yield Forbidden("Docker's API", targets)


def _addresses(host: str, port: int) -> list[Target]:
    """What ``host`` is outside of its own machine; its loopback is the host's affair."""
    if not host or host.startswith("/"):
        return []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    hosts = {str(one[4][0]) for one in found}
    return [(one, port) for one in sorted(hosts) if not one.startswith("127.") and one != "::1"]


def _own_addresses() -> Iterator[str]:
    """This host's address towards the internet, if it has one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        with contextlib.suppress(OSError):
            probe.connect(("192.0.2.1", NOBODY))
            yield str(probe.getsockname()[0])


def _results(said: str) -> dict[Target, bool | None]:
    """Whether each target was reached; ``None`` where that is not clear."""
    found: dict[Target, bool | None] = {}
    for line in said.splitlines():
        with contextlib.suppress(ValueError):
            address, port, rest = line.split(" ", 2)
            blocked = False if BLOCKED.match(rest) else None
            found[address, int(port)] = True if REACHED.match(rest) else blocked
    return found
