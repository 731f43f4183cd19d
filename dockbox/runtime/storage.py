"""Images that no container is made of, and the disk that they fill."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from docker import APIClient
from docker.errors import APIError, ImageNotFound, NotFound

from ..config import Config
from . import chores


def is_idle(api: APIClient, image: str) -> bool | None:
    """Whether no container is made of ``image``; ``None`` if it is not there.

    Raises what docker-py raises.
    """
    try:
        id = api.inspect_image(image)["Id"]
    except (ImageNotFound, NotFound):
        return None
    return all(container["ImageID"] != id for container in api.containers(all=True))


def remove(api: APIClient, image: str) -> bool:
    """Remove ``image`` unless a container is made of it, even since we asked; whether it is gone.

    Raises what docker-py raises.
    """
    if is_idle(api, image) is False:  # an image of two names would lose this one
        return False
    try:
        api.remove_image(image)
    except NotFound:
        return True
    except APIError as error:
        if error.status_code != 409:
            raise
        return False
    return True


def engine_filled(
    api: APIClient, config: Config, name: str, labels: Mapping[str, str], image: str
) -> float:
    """How full the file system of the engine's data is, in percent.

    ``name``, ``labels`` and ``image`` are for a container to look from, where we cannot see it
    ourselves.  Raises what docker-py raises, and ``RuntimeFailed`` where the image cannot tell.
    """
    if config.docker_server_host.startswith("unix:"):
        with contextlib.suppress(OSError):  # we may be in a container ourselves
            return filled(str(api.info()["DockerRootDir"]))
    return chores.filled(api, name, labels, image)


def filled(folder: str) -> float:
    """How full the file system with ``folder`` is, in percent, as ``df`` counts it.

    Raises ``OSError`` if there is no such folder here.
    """
    path = Path(folder)
    while True:
        try:
            found = os.statvfs(path)
        except PermissionError:  # Docker's folders are root's; what is above them, anybody's
            if path == path.parent:
                raise
            path = path.parent
            continue
        used = found.f_blocks - found.f_bfree
        return 100 * used / max(1, used + found.f_bavail)
