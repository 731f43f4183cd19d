"""Ways to files."""

from __future__ import annotations

import pytest

from dockbox.browse.way import Place, place
from dockbox.errors import (
    BadRequest,
)


def test_a_place_has_one_address() -> None:
    assert place(b"") == Place((), True)
    assert place(b"a/b") == Place(("a", "b")) and place(b"a/b/") == Place(("a", "b"), True)
    odd = b"\xff\n%/\xe2\x82\xac"
    assert place(odd).address == "%FF%0A%25/%E2%82%AC"
    for bad in (b"/", b"//", b"a//b", b".", b"a/..", b"../a", b"a\0b", b"a//", b"/a", b"x" * 256):
        with pytest.raises(BadRequest):
            place(bad)
