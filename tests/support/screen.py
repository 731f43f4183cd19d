"""What a person sees: a terminal emulator that is fed with all that a client gets."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable

import pyte
from pyte.screens import Char

from .internals import connect_elsewhere, terminal_worker
from .server import Server
from .terminal import Terminal

ROWS, COLS = 24, 80
SIZE = f"rows={ROWS}&cols={COLS}"
ALTERNATE = 1049
# What pyte takes for something else: CSI with < = or >, device control strings.  At the end of
# what has come they may be unfinished.
UNKNOWN = re.compile(rb"\x1b\[[<=>][0-9;]*[ -/]*[@-~]|\x1bP[^\x1b]*\x1b\\")
UNFINISHED = re.compile(rb"\x1b(?:\[[<=>]?[0-9;]*[ -/]*|P[^\x1b]*\x1b?)?\Z")


class _Emulator(pyte.Screen):
    """With the alternate screen, which pyte has not."""

    _main: object = None

    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        if not private:  # a question of vim's
            super().select_graphic_rendition(*attributes)

    def set_mode(self, *modes: int, **options: bool) -> None:
        super().set_mode(*modes, **options)
        if options.get("private") and ALTERNATE in modes and self._main is None:
            self._main = copy.deepcopy(self.buffer), copy.copy(self.cursor)
            self.erase_in_display(2)

    def reset_mode(self, *modes: int, **options: bool) -> None:
        super().reset_mode(*modes, **options)
        if options.get("private") and ALTERNATE in modes and self._main is not None:
            (self.buffer, self.cursor), self._main = self._main, None
            self.dirty.update(range(self.lines))


def _visible(cell: Char) -> Char:
    """Without what nobody sees of a blank."""
    if cell.data == " " and not (cell.reverse or cell.underscore or cell.strikethrough):
        return Char(" ", bg=cell.bg)
    return cell


class Screen:
    """The screen of ``terminal``, of which nothing was received yet."""

    def __init__(self, terminal: Terminal, rows: int = ROWS, cols: int = COLS) -> None:
        self.terminal = terminal
        self._emulator = _Emulator(cols, rows)
        self._stream = pyte.ByteStream(self._emulator)
        self._rest = b""
        receive = terminal.receive

        def fed(timeout: float) -> bytes:
            data = receive(timeout)
            self._feed(data)
            return data

        terminal.receive = fed  # type: ignore[method-assign]

    def _feed(self, data: bytes) -> None:
        data = UNKNOWN.sub(b"", self._rest + data)
        unfinished = UNFINISHED.search(data)
        end = unfinished.start() if unfinished else len(data)
        self._rest = data[end:]
        self._stream.feed(data[:end])

    @property
    def text(self) -> str:
        """All lines, without the blanks and the empty lines at their ends."""
        return "\n".join("".join(c.data for c in row).rstrip() for row in self._rows()).rstrip("\n")

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column, from 0."""
        return self._emulator.cursor.y, self._emulator.cursor.x

    def cell(self, row: int, col: int) -> Char:
        return self._emulator.buffer[row][col]

    @property
    def whole(self) -> object:
        """All that can be seen: to be compared with another screen's."""
        return self._rows(), self.cursor, self._emulator.cursor.hidden

    def _rows(self) -> list[list[Char]]:
        screen = self._emulator
        return [
            [_visible(screen.buffer[y][x]) for x in range(screen.columns)]
            for y in range(screen.lines)
        ]

    def type(self, keys: str) -> None:
        self.terminal.send(keys.encode())

    def wait(self, condition: Callable[[Screen], bool], what: str, timeout: float = 10) -> Screen:
        """Receive until ``condition`` holds; the screen itself."""
        end = time.monotonic() + timeout
        while not condition(self):
            try:
                self.terminal.receive(max(end - time.monotonic(), 0))
            except TimeoutError:
                seen = f"cursor {self.cursor}\n{self.text}"
                raise AssertionError(f"not within {timeout:g} s: {what}; {seen}") from None
        return self

    def shows(
        self, text: str, cursor: tuple[int, int] | None = None, timeout: float = 10
    ) -> Screen:
        """Wait until this ``text``, and no other, is on the screen, and the cursor where told."""

        def shown(screen: Screen) -> bool:
            return screen.text == text and cursor in (None, screen.cursor)

        return self.wait(shown, f"cursor {cursor}\n{text}\n--- but", timeout)

    def like(self, other: Screen) -> Screen:
        """Wait until it looks as ``other`` does now."""
        return self.wait(lambda screen: screen.whole == other.whole, f"\n{other.text}\n--- but")


def watch(server: Server, id: str, beside: Screen | None = None) -> Screen:
    """The screen of a new client, at the same worker as the one ``beside``."""
    used = terminal_worker(server, beside.terminal) if beside else 0
    for _ in range(200):
        terminal = server.connect(id, SIZE)
        if not beside or terminal_worker(server, terminal) == used:
            return Screen(terminal)
        terminal.close()
    raise AssertionError("another worker got all 200 connections")


def watch_elsewhere(server: Server, id: str, than: Screen) -> Screen:
    """That of one at another worker ``than`` that one's."""
    return Screen(connect_elsewhere(server, id, than.terminal, SIZE))
