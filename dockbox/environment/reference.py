"""Docker image references, as the grammar of github.com/distribution/reference has them."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_NAME = 255  # distribution's NameTotalLengthMax, registry included
MAX_REFERENCE = MAX_NAME + len(":") + 128 + len("@sha256:") + 64

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?(?:@sha256:[a-f0-9]{64})?"
)
_IMAGE_ID = re.compile(r"[a-f0-9]{64}")
DOCKER_HUB = "docker.io"


@dataclass(frozen=True)
class Reference:
    """A normalised reference: ``python`` is docker.io, library/python, latest.

    ``tag`` is ``None`` where a digest stands: that alone says then what is pulled.
    """

    domain: str
    path: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> Reference | None:
        """The reference that ``text`` spells, ``None`` when it is not a valid one."""
        if len(text) > MAX_REFERENCE or not _REFERENCE.fullmatch(text):
            return None
        name, tag, digest = _split(text)
        domain, path = _normalise(name)
        # Docker takes 64 hexadecimal digits for the ID of an image, not for a name
        if len(domain) + 1 + len(path) > MAX_NAME or _IMAGE_ID.fullmatch(name):
            return None
        # what the grammar takes for a registry, Docker may take for the first part of the path
        if not re.fullmatch(rf"{_COMPONENT}(?:/{_COMPONENT})*", path):
            return None
        return cls(domain, path, None if digest else tag or "latest", digest)

    def matches(self, pattern: str) -> bool:
        """Whether ``pattern``, a reference with ``*`` for anything, allows this one.

        ``*`` alone allows all.  Without a tag and a digest it allows every version of its names.
        With a tag it allows no digest, since Docker ignores the tag beside one.  A ``*`` in the
        registry never reaches into the path.
        """
        if pattern == "*":
            return True
        name, tag, digest = _split(pattern)
        domain, path = _normalise(name)
        if not (_like(domain, self.domain) and _like(path, self.path)):
            return False
        if digest:
            return self.digest is not None and _like(digest, self.digest)
        return tag is None or (self.tag is not None and _like(tag, self.tag))


def _split(text: str) -> tuple[str, str | None, str | None]:
    """Name, tag and digest; a colon before the last slash is a registry's port."""
    rest, _, digest = text.partition("@")
    head, slash, last = rest.rpartition("/")
    last, _, tag = last.partition(":")
    return head + slash + last, tag or None, digest or None


def _normalise(name: str) -> tuple[str, str]:
    """Registry and path with Docker Hub's abbreviations written out, as Docker itself does."""
    first, slash, rest = name.partition("/")
    is_domain = slash and (
        "." in first or ":" in first or first == "localhost" or first != first.lower()
    )
    domain, path = (first.lower(), rest) if is_domain else (DOCKER_HUB, name)
    if domain == "index.docker.io":
        domain = DOCKER_HUB
    # docker.io/* is a pattern for all of Docker Hub
    if domain == DOCKER_HUB and "/" not in path and not (is_domain and path == "*"):
        path = f"library/{path}"
    return domain, path


def _like(pattern: str, text: str) -> bool:
    """Only ``*`` is special: ``?`` and brackets would only surprise in a reference."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
