"""Reading a git server's list of refs."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockbox.errors import FetchFailed, SourceTooLarge
from dockbox.sources.advertised import advertised

A, B = "a" * 40, "b" * 40


def pkt(*lines: str) -> bytes:
    return b"".join(f"{len(line.encode()) + 4:04x}{line}".encode() for line in lines)


WHOLE = (
    pkt("# service=git-upload-pack\n")
    + b"0000"
    + pkt(
        f"{A} HEAD\0side-band-64k symref=HEAD:refs/heads/trunk agent=git/2\n",
        f"{A} refs/heads/trunk\n",
        f"{B} refs/tags/v1\n",
        f"{A} refs/tags/v1^{{}}\n",
        f"shallow {B}\n",
    )
    + b"0000"
)


@pytest.mark.parametrize("step", [1, 3, 50, 10_000])
def test_refs_and_the_default_branch_whatever_the_pieces(step: int) -> None:
    refs = advertised([WHOLE[i : i + step] for i in range(0, len(WHOLE), step)])
    assert refs == {
        "": "refs/heads/trunk", "HEAD": A, "refs/heads/trunk": A, "refs/tags/v1": B,
        "refs/tags/v1^{}": A,
    }  # fmt: skip


def test_an_empty_repository_has_none() -> None:
    empty = pkt("# service=git-upload-pack\n") + b"0000"
    assert advertised([empty + pkt("0" * 40 + " capabilities^{}\0agent=git/2") + b"0000"]) == {}


def test_another_version_of_the_protocol_is_left_to_git() -> None:
    assert advertised([pkt("version 2\n", "agent=git/2\n") + b"0000"]) is None


@pytest.mark.parametrize("answer", [b"", b"00", b"zzzz", b"0001", b"fff5x", WHOLE[:-1], WHOLE[:80]])
def test_what_is_no_such_list_or_breaks_off_is_refused(answer: bytes) -> None:
    with pytest.raises(FetchFailed):
        advertised([answer])


def test_an_error_of_the_server_is_not_shown() -> None:
    with pytest.raises(FetchFailed, match="not found or is private"):
        advertised([pkt("ERR <b>evil</b>\n") + b"0000"])


def test_endless_lists_are_too_large() -> None:
    with pytest.raises(SourceTooLarge):
        advertised(pkt(f"{A} refs/heads/x{n}\n" * 1000) for n in range(10**9))


@given(st.lists(st.binary(max_size=100)))
def test_garbage_is_refused_or_harmless(pieces: list[bytes]) -> None:
    with contextlib.suppress(FetchFailed):
        advertised(pieces)
