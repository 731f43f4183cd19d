"""What the doctor asks of Docker: facts about the engine, and short-lived containers to look from.

Such a container has the network and the limits of a dockbox's.  It ends and is removed by itself.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gevent
from docker import APIClient
from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException

from ..config import Config
from ..errors import RuntimeUnavailable
from . import network, storage
from .client import connect
from .container import limits, process
from .translate import translated

CALL_TIMEOUT = 30  # seconds that one call may take
LIFE = 120  # seconds, after which a container of a doctor that was killed has ended
NAME, LABEL = "dockbox-doctor-", "dockbox.doctor"


@dataclass(frozen=True)
class Network:
    """``icc``: whether its containers may talk to each other; ``device`` is the bridge's name."""

    driver: str
    icc: bool
    device: str


@dataclass(frozen=True)
class Place:
    """A running container, and where it is in its network."""

    id: str
    address: str
    gateways: tuple[str, ...]


class Probe:
    """Raises what ``Runtime`` does."""

    def __init__(self, config: Config) -> None:
        self._config = config

    @cached_property
    def _api(self) -> APIClient:
        return connect(self._config, CALL_TIMEOUT)

    @contextmanager
    def _call(self) -> Iterator[APIClient]:
        with gevent.Timeout(CALL_TIMEOUT, RuntimeUnavailable()), translated():
            yield self._api

    @cached_property
    def info(self) -> dict[str, Any]:
        """The engine's facts, as ``docker info`` has them."""
        with self._call() as api:
            return dict(api.info())

    def has_image(self, image: str) -> bool:
        with self._call() as api, contextlib.suppress(NotFound):
            api.inspect_image(image)
            return True
        return False

    def can_pull(self, images: Sequence[str]) -> set[str]:
        """Those that their registries would give the engine now; all are asked at once."""
        jobs = {image: gevent.spawn(self._offered, image) for image in images}
        gevent.joinall(list(jobs.values()), timeout=CALL_TIMEOUT)
        gevent.killall(list(jobs.values()))
        return {image for image, job in jobs.items() if job.value is True}

    def _offered(self, image: str) -> bool:
        try:
            self._api.inspect_distribution(image)
        except (DockerException, RequestException):  # what the registry says, or its silence
            return False
        return True

    def filled(self, image: str) -> float:
        """How full the engine's disk is, in percent."""
        name = f"{NAME}{uuid.uuid4().hex[:12]}"
        with self._call() as api:
            return storage.engine_filled(api, self._config, name, {LABEL: ""}, image)

    def network(self) -> Network:
        """The containers' network, which is made if it is missing."""
        name = self._config.container_network
        with self._call() as api:
            network.ensure(api, name)
            found = api.inspect_network(name)
        options = found["Options"] or {}
        icc = options.get(network.ICC, "true").lower() != "false"
        return Network(found["Driver"], icc, options.get(network.DEVICE, f"br-{found['Id'][:12]}"))

    @contextmanager
    def container(self, image: str, mount: Path | None = None) -> Iterator[Place]:
        """A container that waits; one with a ``mount`` as its ``/app`` has no network."""
        host = limits(mount or Path("/"), self._config) | {"auto_remove": True}
        if mount is None:
            host["mounts"] = []
        else:
            host["network_mode"] = "none"
        made = process(image) | {"entrypoint": ["/bin/sh", "-c", f"sleep {LIFE}"]}
        name = f"{NAME}{uuid.uuid4().hex[:12]}"
        try:
            with self._call() as api:
                config = api.create_host_config(**host)
                api.create_container(**made, name=name, labels={LABEL: ""}, host_config=config)
                api.start(name)
                found = api.inspect_container(name)
            joined = next(iter(found["NetworkSettings"]["Networks"].values()))
            gateways = (joined["Gateway"], joined["IPv6Gateway"])
            yield Place(name, joined["IPAddress"], tuple(filter(None, gateways)))
        finally:
            with self._call() as api, contextlib.suppress(APIError):
                api.remove_container(name, v=True, force=True)

    def run(self, place: Place, script: str, *args: str) -> str:
        """What a shell script with these arguments prints in the container."""
        with self._call() as api:
            command = ["/bin/sh", "-c", script, "sh", *args]
            made = api.exec_create(place.id, command, user="0:0", environment={"LC_ALL": "C"})
            return bytes(api.exec_start(made["Id"])).decode(errors="replace")

    def close(self) -> None:
        if "_api" in self.__dict__:
            self._api.close()
