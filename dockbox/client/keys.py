"""What a user types that is for this client and not for the shell: as ssh has it."""

from __future__ import annotations

from enum import Enum

TILDE = ord("~")
HELP = "~. leaves, ~~ types one tilde, ~? shows this; each at the beginning of a line."


class Wish(Enum):
    """What was asked of the client."""

    LEAVE = ord(".")
    HELP = ord("?")


class Escapes:
    """Finds them, however the bytes come in."""

    def __init__(self) -> None:
        self._fresh = True  # the next byte is the first of a line
        self._held = False  # a tilde was, and the next byte says what it means

    def feed(self, data: bytes) -> tuple[bytes, Wish | None]:
        """What of ``data`` is for the shell, and the last wish; nothing follows ``LEAVE``."""
        typed, wish = bytearray(), None
        for byte in data:
            if self._held:
                self._held = False
                if byte in (Wish.LEAVE.value, Wish.HELP.value):
                    wish = Wish(byte)
                    if wish is Wish.LEAVE:
                        break
                    continue
                typed.append(TILDE)
                if byte == TILDE:
                    self._fresh = False
                    continue
            elif self._fresh and byte == TILDE:
                self._held = True
                continue
            typed.append(byte)
            self._fresh = byte in b"\r\n"
        return bytes(typed), wish
