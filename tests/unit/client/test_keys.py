"""Which of the keys are for the client."""

from __future__ import annotations

import pytest

from dockbox.client.keys import Escapes, Wish


@pytest.mark.parametrize(
    ("keys", "typed", "wish"),
    [
        (b"~.", b"", Wish.LEAVE),
        (b"ls\r~.rest", b"ls\r", Wish.LEAVE),
        (b"ls\n~.", b"ls\n", Wish.LEAVE),
        (b"a~.", b"a~.", None),
        (b"~?", b"", Wish.HELP),
        (b"~?~.", b"", Wish.LEAVE),
        (b"~~.", b"~.", None),
        (b"~~~.", b"~~.", None),
        (b"~a~.", b"~a~.", None),
        (b"~\r~.", b"~\r", Wish.LEAVE),
        ("~ü".encode(), "~ü".encode(), None),
        (b"~", b"", None),
    ],
)
def test_a_tilde_at_the_beginning_of_a_line_however_it_comes(
    keys: bytes, typed: bytes, wish: Wish | None
) -> None:
    assert Escapes().feed(keys) == (typed, wish)
    escapes, got, last = Escapes(), b"", None
    for byte in keys:
        if last is not Wish.LEAVE:
            more, now = escapes.feed(bytes([byte]))
            got, last = got + more, now or last
    assert (got, last) == (typed, wish)
