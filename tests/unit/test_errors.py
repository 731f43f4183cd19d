"""What every error of dockbox has."""

from __future__ import annotations

from dockbox import errors
from dockbox.errors import DockboxError


def every() -> list[type[DockboxError]]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    return [kind for kind in kinds if issubclass(kind, DockboxError)]


def test_each_429_and_503_says_when_to_come_back() -> None:
    may_change = [kind for kind in every() if kind.status in (429, 503)]
    assert len(may_change) >= 6
    for kind in may_change:
        assert (kind().retry_after or 0) >= 1, kind
        assert kind("Why.", 7).retry_after == 7


def test_each_error_is_one_sentence_with_a_code_of_its_own() -> None:
    codes = [kind().code for kind in every()]
    assert len(codes) == len(set(codes)) > 20
    for kind in every():
        assert kind().message.endswith(".") and "\n" not in kind().message
        assert kind().code.replace("_", "").isalpha() and kind().code.islower()
