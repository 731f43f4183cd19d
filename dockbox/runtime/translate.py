"""The one boundary where docker-py's errors become ours."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from ..errors import ContainerGone, NotRunning, RuntimeFailed, RuntimeUnavailable

log = logging.getLogger(__name__)
# of 20.10, and of later versions; what fails in a runtime mentions "runtime" and "unknown" as well
UNKNOWN_RUNTIME = re.compile("unknown (or invalid )?runtime", re.IGNORECASE)
NO_RUNTIME = "Docker has no runtime of the name that CONTAINER_RUNTIME says."


@contextmanager
def translated() -> Iterator[None]:
    """Raise ``errors`` for whatever docker-py raises inside; what the engine said is logged.

    The engine's own words may hold paths of its host, so callers never see them.
    """
    try:
        yield
    except NotFound as error:
        raise ContainerGone() from error
    except APIError as error:
        text = str(error.explanation or error)
        if error.status_code == 409 and "is not running" in text:
            raise NotRunning() from error
        if error.status_code == 409 and "marked for removal" in text:
            raise ContainerGone() from error
        log.error("docker refused: %s", text)
        raise RuntimeFailed(NO_RUNTIME if UNKNOWN_RUNTIME.search(text) else None) from error
    except (RequestException, HTTPError, DockerException, OSError) as error:
        log.warning("docker cannot be reached: %s", error)
        raise RuntimeUnavailable(_why(error)) from error


def _why(error: Exception) -> str | None:
    """What an operator has to mend, where trying again will not help; ``None``: nobody answers."""
    text = str(error)  # docker-py puts others' errors into the text of its own
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "Docker's certificate is not trusted: see DOCKER_CERT_PATH."
    if "SSLError" in text or "HTTPS server" in text:
        return "Docker does not agree to TLS: see DOCKER_TLS_VERIFY and DOCKER_CERT_PATH."
    return None
