"""What Docker says, and what is made of it."""

from __future__ import annotations

import pytest
from docker.errors import APIError

from dockbox.errors import RuntimeFailed
from dockbox.runtime.translate import NO_RUNTIME, translated


def told(words: str) -> str:
    with pytest.raises(RuntimeFailed) as caught, translated():
        raise APIError("refused", explanation=words)
    return caught.value.message


@pytest.mark.parametrize(
    "words", ["Unknown runtime specified runsc", "unknown or invalid runtime name: runsc"]
)
def test_a_runtime_that_docker_does_not_have_is_told(words: str) -> None:
    assert told(words) == NO_RUNTIME


def test_one_that_fails_is_not_taken_for_that() -> None:
    words = 'OCI runtime create failed: exec: "/bin/sh": no such file or directory: unknown'
    assert told(words) == "Docker refused the operation."
