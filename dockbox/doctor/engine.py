"""The Docker engine: who reaches it, and what it has against containers that break out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .finding import FAILS, OK, WARNS, Finding, Patient

LISTENS = re.compile(r"API is accessible on https?://(\S+)")  # in the engine's own warnings
LOOPBACK = re.compile(r"(127\.|localhost[:/]|\[::1\])")


def reached(patient: Patient) -> Iterator[Finding]:
    """Raises ``RuntimeUnavailable``."""
    yield Finding(OK, f"Docker {patient.docker.info['ServerVersion']} answers.")


def closed(patient: Patient) -> Iterator[Finding]:
    """Its API is as good as root on its host: nobody else may reach it."""
    config, todo = patient.config, "Use its Unix socket, or TLS with client certificates."
    told = patient.docker.info.get("Warnings") or []
    listens = [found[1] for text in told if (found := LISTENS.search(text))]
    open_to = {address for address in listens if not LOOPBACK.match(address)}
    address = config.docker_server_host.removeprefix("tcp://")
    if address != config.docker_server_host and not config.docker_tls_verify:
        open_to |= set() if LOOPBACK.match(address) else {address}
    if open_to:
        yield Finding(FAILS, f"Docker's API is open at {', '.join(sorted(open_to))}.", todo)
    elif listens:
        what = f"Whoever is on the engine's host reaches Docker's API at {', '.join(listens)}."
        yield Finding(WARNS, what, todo)
    else:
        yield Finding(OK, "Docker's API is not open to the network.")


def confined(patient: Patient) -> Iterator[Finding]:
    info = patient.docker.info
    options = [text for option in info.get("SecurityOptions") or [] for text in option.split(",")]
    if "name=seccomp" in options and "profile=unconfined" not in options:
        yield Finding(OK, "Containers have Docker's filter of system calls (seccomp).")
    else:
        todo = "Use a kernel that has seccomp, and no seccomp-profile in Docker's settings."
        yield Finding(FAILS, "Containers have no filter of system calls (seccomp).", todo)
    runtime = patient.config.container_runtime or info.get("DefaultRuntime", "")
    if patient.config.container_runtime and runtime not in info.get("Runtimes", {}):
        yield Finding(FAILS, f"Docker has no runtime {runtime}.", "See CONTAINER_RUNTIME.")
    elif "name=userns" in options or "name=rootless" in options:
        yield Finding(OK, f"Root in a container is nobody on its host; runtime {runtime}.")
    elif runtime not in ("runc", ""):
        yield Finding(OK, f"Containers run in {runtime}.")
    else:
        todo = "Use userns-remap, or CONTAINER_RUNTIME=runsc."
        yield Finding(WARNS, "Root in a container is root on its host if it breaks out.", todo)
