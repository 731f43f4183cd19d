"""How far something is: a bar in a terminal, else a line for each step."""

from __future__ import annotations

from typing import TextIO

WIDTH = 24  # characters of the bar


class Bar:
    """Steps, one after the other, told to ``stream``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._tty = stream, stream.isatty()
        self._step: str | None = None

    def show(self, step: str, percent: int | None = None, size: int | None = None) -> None:
        """``percent`` and ``size``, in bytes, are of this step, where known."""
        if self._tty:
            self._stream.write("\r\x1b[K" + _line(step, percent, size))
        elif step != self._step:
            self._stream.write(step + "\n")
        self._step = step
        self._stream.flush()

    def clear(self) -> None:
        """Make room for other lines."""
        if self._tty and self._step is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _line(step: str, percent: int | None, size: int | None) -> str:
    """At most 79 columns, so that the next one replaces it."""
    told = ""
    if percent is not None:
        done = min(percent, 100) * WIDTH // 100
        told += f"  [{'#' * done}{'-' * (WIDTH - done)}] {percent:3} %"
    if size:
        told += f"  {size / 1e6:.1f} MB"
    return step[: 79 - len(told)] + told
