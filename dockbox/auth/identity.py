"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..models import Dockbox


@dataclass(frozen=True)
class Identity:
    """What exists for a caller: all dockboxes, those that its token made, or the one it shares.

    ``token`` and ``share`` are ids.  Who ``types`` not only sees a terminal.
    """

    token: str | None = None
    admin: bool = False
    share: str | None = None
    dockbox: str | None = None
    types: bool = True

    def sees(self, box: Dockbox) -> bool:
        """Whether this dockbox exists for the caller."""
        if self.share is not None:
            return box.id == self.dockbox
        return self.admin or box.token_id == self.token


EVERYBODY = Identity(admin=True)  # where no token is asked for
