"""Containers that do one thing to a dockbox's files, as root there, and are gone."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from docker import APIClient
from docker.errors import APIError, NotFound
from docker.types import LogConfig, Mount

from ..errors import RuntimeFailed

CLEAR = "cd /app && find . -mindepth 1 -delete || rm -rf /app/..?* *"
COUNT = "cd /box && du -sk . 2>/dev/null; find . 2>/dev/null | wc -l"
FILLED = "df -P / | tail -n 1"
PERCENT = re.compile(r"(\d+)%")
COUNTED = re.compile(r"(\d+)\s+\.\s+(\d+)\s*$")
MEMORY = 256 * 1024**2  # bytes
ANSWER = 2**20  # bytes of what it prints that are kept


def clear(api: APIClient, name: str, labels: Mapping[str, str], image: str, mount: Path) -> None:
    """Empty ``mount``.  Raises what docker-py raises."""
    mounts = [Mount("/app", str(mount), type="bind")]
    _run(api, name, labels, image, CLEAR, mounts, ["DAC_OVERRIDE", "FOWNER"])


def count(
    api: APIClient, name: str, labels: Mapping[str, str], image: str, mount: Path,
    volumes: Sequence[str],
) -> tuple[int, int]:  # fmt: skip
    """Bytes of disk and number of files in ``mount`` and in ``volumes`` of the engine.

    Raises what docker-py raises, and ``RuntimeFailed`` when the image has not what it takes.
    """
    mounts = [Mount("/box/app", str(mount), type="bind", read_only=True)]
    mounts += [
        Mount(f"/box/{number}", volume, type="volume", read_only=True, no_copy=True)
        for number, volume in enumerate(volumes)
    ]
    said = _run(api, name, labels, image, COUNT, mounts, ["DAC_READ_SEARCH"])
    found = COUNTED.search(said)
    if not found:
        raise RuntimeFailed("The dockbox's files could not be counted.")
    return int(found[1]) * 1024, int(found[2])


def filled(api: APIClient, name: str, labels: Mapping[str, str], image: str) -> float:
    """How full the file system of the engine's data is, in percent: a container's root is in it.

    Raises what docker-py raises, and ``RuntimeFailed`` when the image has not what it takes.
    """
    found = PERCENT.search(_run(api, name, labels, image, FILLED, [], []))
    if not found:
        raise RuntimeFailed("How full Docker's disk is could not be found out.")
    return float(found[1])


def _run(
    api: APIClient, name: str, labels: Mapping[str, str], image: str, script: str,
    mounts: Sequence[Mount], capabilities: Sequence[str],
) -> str:  # fmt: skip
    """Run ``script`` in a new container of ``image``; what it has printed."""
    config = api.create_host_config(
        mounts=list(mounts), network_mode="none", cap_drop=["ALL"], cap_add=list(capabilities),
        security_opt=["no-new-privileges"], mem_limit=MEMORY, memswap_limit=MEMORY, pids_limit=16,
        nano_cpus=10**9,
        log_config=LogConfig(type="local", config={"max-size": str(ANSWER), "max-file": "2"}),
    )  # fmt: skip
    with contextlib.suppress(NotFound):  # of a worker that was killed here
        api.remove_container(name, v=True, force=True)
    made = api.create_container(
        image, [], name=name, entrypoint=["/bin/sh", "-c", script], user="0:0",
        environment={"LC_ALL": "C"}, host_config=config, labels=dict(labels),
    )  # fmt: skip
    try:
        api.start(made["Id"])
        api.wait(made["Id"], timeout=api.timeout)
        return bytes(api.logs(made["Id"], stderr=False)).decode(errors="replace")
    finally:
        with contextlib.suppress(APIError):
            api.remove_container(made["Id"], v=True, force=True)
