"""Environment: files -> what to run.  Knows nothing of Docker, Flask or the database."""

from __future__ import annotations

from .detect import detect
from .images import Images

__all__ = ["Images", "detect"]
