"""What reads others' text: requests, git servers' lists, image names, trees, terminal messages."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import gevent
from flask import Flask, request
from hypothesis import example, given
from hypothesis import strategies as st

from dockbox.blueprints import payload
from dockbox.environment import detect
from dockbox.environment.reference import Reference
from dockbox.errors import BadRequest, DockboxError, FetchFailed
from dockbox.sources.advertised import advertised
from dockbox.sources.base import Deadline
from dockbox.terminal.protocol import MOST_CELLS, Input, Size, Tty, size_of_text
from dockbox.terminal.scrollback import Scrollback
from dockbox.terminal.websocket import Refused

from .profile import fuzz

APP = Flask(__name__)
APP.config["MAX_CONTENT_LENGTH"] = 64 * 1024
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=70),
    st.sampled_from(["https://example.com/a.git", "a", "ws", "refs/heads/a", "..", "view"]),
)  # fmt: skip
JSON = st.recursive(ODD, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
    st.text(max_size=9), inner, max_size=4), max_leaves=12)  # fmt: skip
FIELDS = st.sampled_from([
    "url", "ref", "subdir", "image", "name", "idle_timeout", "kind", "expires_in", "rows", "cols",
])  # fmt: skip
BODY = st.one_of(
    st.dictionaries(FIELDS, ODD, max_size=6).map(lambda body: json.dumps(body).encode()),
    JSON.map(lambda body: json.dumps(body).encode()),
    st.binary(max_size=200),
    st.sampled_from([b"[" * 60_000, b'{"a":' * 12_000, b'{"url": 1e999}', b"9" * 5000]),
)
HEADER = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40)


def only_ours(work: Any, *args: Any) -> Any:
    """What ``work`` returns, ``None`` where it refuses."""
    try:
        return work(*args)
    except DockboxError as error:
        assert 400 <= error.status < 500 and "\n" not in error.message
        return None


@fuzz(300)
@given(BODY)
def test_a_body_is_an_order_or_refused(body: bytes) -> None:
    with APP.test_request_context("/", method="POST", data=body):
        found = only_ours(payload.fields, request, "url", "ref", "subdir", "image", "name")
        assert found is None or isinstance(found, dict)
    with APP.test_request_context("/", method="POST", data=body):
        kind = only_ours(payload.share, request)
        assert kind is None or 1 <= kind[1] <= payload.LONGEST_SHARED
    with APP.test_request_context("/", method="POST", data=body):
        fields = only_ours(payload.fields, request, "name", "idle_timeout") or {}
    name, idle = only_ours(payload.name, fields), only_ours(payload.idle_timeout, fields)
    assert name is None or payload.NAME.fullmatch(name)
    assert idle is None or 0 <= idle <= payload.LONGEST_IDLE


@fuzz(200)
@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=60), HEADER)
@example("201", "", "", "")
def test_a_query_is_read_or_refused(limit: str, state: str, after: str, prefer: str) -> None:
    query = {"limit": limit, "state": state, "after": after}
    headers = {"Prefer": prefer}
    for some in (query, {"after": after}, {"limit": limit}):
        with APP.test_request_context("/", query_string=some, headers=headers):
            found = only_ours(payload.paging, request)
            assert found is None or 1 <= found[0] <= payload.MOST_ITEMS
            assert 0 <= payload.wait(request, 5) <= 3600


@fuzz(200)
@given(st.floats(allow_nan=False), st.uuids().map(str))
def test_a_cursor_is_read_as_it_was_written(created: float, id: str) -> None:
    text = payload.cursor((created, id))
    with APP.test_request_context("/", query_string={"after": text}):
        assert payload.paging(request)[1] == (created, id)


LINE = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([
        b"# service=git-upload-pack\n", b"version 1\n", b"version 2\n", b"ERR no\n",
        b"a" * 40 + b" HEAD\0symref=HEAD:refs/heads/main agent=git/2\n",
        b"b" * 40 + b" refs/heads/main\n", b"0" * 40 + b" capabilities^{}\0 x\n",
    ]),
)  # fmt: skip
PACKET = st.one_of(
    LINE.map(lambda line: b"%04x" % (len(line) + 4) + line), st.just(b"0000"), st.just(b"0001"),
    st.binary(max_size=8), st.just(b"fff0"), st.just(b"0003"),
)  # fmt: skip


@fuzz(400)
@given(st.lists(PACKET, max_size=10), st.integers(1, 70))
def test_a_list_of_refs_is_read_alike_however_it_is_cut(packets: list[bytes], step: int) -> None:
    data = b"".join(packets)

    def read(pieces: list[bytes]) -> Any:
        try:
            return advertised(pieces)
        except FetchFailed:
            return "refused"

    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    found = read([data])
    assert read(pieces) == found
    if isinstance(found, dict):
        assert all(isinstance(name, str) for name in found)


@fuzz(300)
@given(st.text("abAB01.:/@-_[]*sha256", max_size=80), st.text("ab.:/@-_*", max_size=40))
def test_an_image_is_named_or_not(text: str, pattern: str) -> None:
    found = Reference.parse(text)
    if found is not None:
        assert found.path and found.domain and (found.tag is None) == (found.digest is not None)
        found.matches(pattern)


@fuzz(300)
@given(st.lists(st.one_of(BODY, st.binary(max_size=40), st.builds(
    lambda letter, rest: letter + rest, st.sampled_from([b"0", b"1", b"2", b"3", b"{"]), BODY)),
    max_size=5))  # fmt: skip
def test_a_terminals_messages_are_actions_or_refused(messages: list[bytes]) -> None:
    tty = Tty()
    for message in messages:
        try:
            action = tty.parse(message)
        except Refused:
            return
        if isinstance(action, Size):
            assert 1 <= action.rows <= MOST_CELLS and 1 <= action.cols <= MOST_CELLS
        if isinstance(action, Input):
            assert message.startswith(b"0") and action.data == message[1:]


@fuzz(200)
@given(st.text(max_size=12), st.text(max_size=12))
def test_a_size_on_a_url_is_one_or_refused(rows: str, cols: str) -> None:
    with contextlib.suppress(BadRequest):
        found = size_of_text(rows, cols)
        assert 1 <= found.rows <= MOST_CELLS and 1 <= found.cols <= MOST_CELLS


@fuzz(150)
@given(st.lists(st.binary(max_size=300), max_size=12), st.integers(1, 400))
def test_recent_output_is_bounded(pieces: list[bytes], limit: int) -> None:
    kept = Scrollback(limit)
    for piece in pieces:
        kept.append(piece)
    assert len(kept.replay()) <= 2 * limit + 200


FILE = st.sampled_from([
    "main.py", "a.ts", "tsconfig.json", "package.json", "Makefile", "x.ipynb", "run", "a.h", "b.c",
    "Cargo.toml", "go.mod", "pom.xml", "deep/er/main.rs", "vendor/a.js", ".git/a.py", "\udcff.py",
])  # fmt: skip


NAME = st.one_of(FILE, st.text("ab.py/", min_size=1, max_size=9))
CONTENT = st.one_of(
    st.binary(max_size=700),
    st.sampled_from([b"#!/usr/bin/env python\n", b"#!" + b" " * 510, b"{"]),
)


@fuzz(60)
@given(st.dictionaries(NAME, CONTENT, max_size=8))
def test_a_language_is_found_or_none(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "tree")
        root.mkdir()
        for name, content in files.items():
            path = Path(root, *[part for part in name.split("/") if part not in ("", "..")])
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            except OSError:
                continue  # a file where a folder is wanted, or the other way round
            path.chmod(0o755)
        with gevent.Timeout(20):
            language = detect(root, Deadline(20))
        assert language is None or language == language.lower()
