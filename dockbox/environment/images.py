"""Which image a dockbox runs: by language from the table, or as the user wants it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import BadConfig, BadRequest, ImageForbidden
from .languages import FAMILIES
from .reference import Reference


@dataclass(frozen=True)
class Images:
    """The table of ``IMAGES_FILE``: lower-case language -> image, and the image for the rest."""

    default: str
    languages: Mapping[str, str]

    @classmethod
    def load(cls, path: Path) -> Images:
        """Read the TOML file ``path``; raises ``BadConfig`` with what is wrong in it."""
        table = _read(path)
        unknown = sorted(table.keys() - {"default", "languages"})
        if unknown:
            raise BadConfig(f"The images file has {unknown[0]!r}, which means nothing there.")
        if "default" not in table:
            raise BadConfig("The images file has no default image.")
        languages = table.get("languages", {})
        if not isinstance(languages, dict):
            raise BadConfig("The images file's 'languages' is not a table.")
        for language in languages:
            if not language or language != language.strip().lower():
                raise BadConfig(f"The images file's language {language!r} is not lower-case.")
        named = {"default": table["default"], **{f"languages.{k}": v for k, v in languages.items()}}
        for key, image in named.items():
            if not isinstance(image, str):
                raise BadConfig(f"The images file's {key!r} is not text.")
            if Reference.parse(image) is None:
                raise BadConfig(f"The images file's {key!r} is not a valid image: {image!r}.")
        return cls(table["default"], MappingProxyType(languages))

    def for_language(self, language: str | None) -> str:
        """The image of ``language``, else of a relative with the same tools, else the default."""
        if language is None:
            return self.default
        relative = FAMILIES.get(language, language)
        return self.languages.get(language) or self.languages.get(relative) or self.default

    def choose(self, language: str | None, wanted: str | None, allowed: tuple[str, ...]) -> str:
        """``wanted`` as it is, if there is one and it is allowed, else the image of ``language``.

        ``allowed`` are patterns as of ``Reference.matches``; none means the images of this table.
        Raises ``BadRequest`` when ``wanted`` is no image reference, ``ImageForbidden`` when it is
        not allowed.
        """
        if wanted is None:
            return self.for_language(language)
        reference = Reference.parse(wanted)
        if reference is None:  # not repeated: it may be anything, a password in a URL too
            raise BadRequest("'image' is not an image such as python:3.13 or ghcr.io/me/mine:1.")
        if allowed:
            fine = any(reference.matches(pattern) for pattern in allowed)
        else:
            table = (self.default, *self.languages.values())
            fine = any(Reference.parse(image) == reference for image in table)
        if not fine:
            raise ImageForbidden(f"The image {wanted} is not allowed on this server.")
        return wanted


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise BadConfig(f"The images file cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise BadConfig("The images file is not TOML: it is not UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"The images file is not TOML: {error}.") from None
