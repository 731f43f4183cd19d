"""The containers' network: made when it is missing, and without traffic between containers."""

from __future__ import annotations

import contextlib
import time

from docker import APIClient
from docker.errors import APIError, NotFound

ICC = "com.docker.network.bridge.enable_icc"
DEVICE = "com.docker.network.bridge.name"
WAITS = (0.05, 0.2, 0.5, 1)  # seconds


def ensure(api: APIClient, name: str) -> None:
    """Make the network ``name`` unless there is one, which is used as it is.

    Its device has its name, so that the rules of a firewall can be about it.
    """
    for wait in WAITS:
        if _exists(api, name):
            return
        with contextlib.suppress(APIError):
            _make(api, name)
            return
        # Others may make it at the same time: Docker lets one have the device, and refuses the
        # rest, perhaps before it shows the network.
        time.sleep(wait)
    if not _exists(api, name):
        _make(api, name)


def _make(api: APIClient, name: str) -> None:
    options = {ICC: "false", DEVICE: name}
    api.create_network(name, driver="bridge", check_duplicate=True, options=options)


def _exists(api: APIClient, name: str) -> bool:
    return any(found["Name"] == name for found in api.networks(names=[name]))  # or parts of names


def is_missing(error: NotFound) -> bool:
    """Whether Docker did not find a container's network, rather than the container."""
    return str(error.explanation).startswith("network ")


def rejoin(api: APIClient, container: str, name: str) -> None:
    """Put a stopped container whose network was removed into the one that has the name now.

    Docker remembers the network by its id, and does not find one that was made anew by itself.
    """
    ensure(api, name)
    with contextlib.suppress(APIError):  # another worker may be a step ahead, or there is none
        api.disconnect_container_from_network(container, name, force=True)
    with contextlib.suppress(APIError):  # start will say what is wrong
        api.connect_container_to_network(container, name)
