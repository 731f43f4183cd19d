"""The user's commands before they reach a server, and as a room of their own."""

from __future__ import annotations

import io
import itertools
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from dockbox.client import session
from dockbox.client.api import PATIENCE, Server, parse, reason
from dockbox.client.commands import main
from dockbox.client.errors import Failed
from dockbox.client.local import Local
from dockbox.client.progress import Bar

from ...support.run import ROOT


@pytest.mark.parametrize(
    "words",
    [
        ["connect", "localhost:8000", "box"],
        ["connect", "http://", "box"],
        ["connect", "ftp://localhost", "box"],
        ["connect", "http://localhost:99999", "box"],
        ["connect", "http://me:secret@localhost", "box"],
        ["connect", "http://localhost/?token=secret", "box"],
        ["connect", "http://localhost", "box", "--token-file", "/nothing"],
        ["create", "http://localhost", "github.com/a/b", "--connect", "--json"],
        ["create", "http://localhost"],
        ["nonsense"],
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(words: list[str]) -> None:
    said = CliRunner().invoke(main, words)
    assert said.exit_code == 2
    assert "Usage:" in said.stderr and "secret" not in said.stderr


def test_a_token_with_a_line_in_it_is_refused() -> None:
    said = CliRunner(env={"DOCKBOX_TOKEN": "a\r\nX: b"}).invoke(main, ["connect", "http://a", "b"])
    assert (said.exit_code, "X: b" in said.stderr) == (2, False)


def test_the_terminal_has_the_servers_scheme_and_path() -> None:
    assert Server("http://a:8000/", None).terminal("me") == "ws://a:8000/v1/dockbox/ws/me"
    assert Server("https://a/b", None).terminal("a/?") == "wss://a/b/v1/dockbox/ws/a%2F%3F"


def test_events_are_read_and_comments_are_not() -> None:
    lines = ["event: state", 'data: {"a": 1}', "", ": still here", "", "event: cut"]
    assert list(parse(lines)) == [("state", {"a": 1})]


def test_a_refusal_that_is_not_dockboxs_is_told_by_its_status() -> None:
    assert reason(404, b'{"error": "No."}') == "No."
    for body in (b"<html>", b"[]", b"{}", b""):
        assert reason(502, body) == "The server answered with HTTP status 502."


class Other(BaseHTTPRequestHandler):
    """A web server that is no dockbox: a page for whatever is asked, and a redirect to https."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        away, page = self.path.startswith("/away"), b"<html>"
        self.send_response(308 if away else 200)
        for name, value in [
            ("Location", "https://127.0.0.1:1/"), ("Content-Length", str(len(page))),
            ("Content-Type", "text/html"),
        ][0 if away else 1 :]:  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def other() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_is_no_dockbox_is_told_and_not_asked_for_ever(other: str) -> None:
    for command in ("connect", "create"):
        said = CliRunner().invoke(main, [command, other, "box"])
        assert (said.exit_code, said.stderr.splitlines()[-1]) == (
            1, f"Error: {other} does not answer as dockbox does.",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "why"), [("/away", "leads elsewhere: is it https?"), ("", "HTTP status 200.")]
)
def test_a_terminal_that_is_none_ends_with_a_sentence(other: str, path: str, why: str) -> None:
    with pytest.raises(Failed, match=re.escape(why)):
        _open(f"{other}{path}")


def test_a_host_that_cannot_be_one_ends_with_a_sentence() -> None:
    with pytest.raises(Failed, match="cannot be reached"):
        _open(f"http://{'a' * 64}.example.org")


def _open(url: str) -> None:
    with open("/dev/null") as typed, open("/dev/null", "w") as shown:
        session.run(Server(url, None), "box", Local(typed.fileno(), shown.fileno()), 0)


def test_a_creation_is_followed_over_a_stream_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where it had nothing to tell for longer than a stream may be cut off."""
    streams = iter([[("state", {"state": "creating"})], None, [("state", {"state": "stopped"})]])
    times = itertools.count(step=PATIENCE / 4)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(time, "monotonic", lambda: next(times))

    def events(_: Server, key: str) -> Iterator[tuple[str, Any]]:
        for event in next(streams) or ():
            yield event
            for _ in range(8):
                next(times)
        raise requests.ConnectionError

    monkeypatch.setattr(Server, "_events", events)
    assert Server("http://a", None).created("box", lambda *_: None)["state"] == "stopped"


def test_ctrl_c_has_the_exit_code_of_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Server, "created", interrupt)
    said = CliRunner().invoke(main, ["connect", "http://a", "box"])
    assert (said.exit_code, said.stderr) == (130, "Error: Ended by SIGINT.\n")


def test_a_file_that_has_no_token_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    words = ["connect", "http://a", "box", "--token-file", str(tmp_path / "token")]
    assert CliRunner().invoke(main, words).exit_code == 2


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_in_a_terminal_and_else_a_line_for_each_step() -> None:
    screen, file = Screen(), io.StringIO()
    for bar in (Bar(screen), Bar(file)):
        bar.show("Fetching")
        bar.show("Pulling", 50, 2_000_000)
        bar.show("Pulling", 100, 4_000_000)
        bar.clear()
    assert file.getvalue() == "Fetching\nPulling\n"
    drawn = screen.getvalue().split("\r\x1b[K")
    half, whole = "#" * 12 + "-" * 12, "#" * 24
    assert drawn == [
        "", "Fetching", f"Pulling  [{half}]  50 %  2.0 MB", f"Pulling  [{whole}] 100 %  4.0 MB", "",
    ]  # fmt: skip


def test_the_client_needs_nothing_of_the_server() -> None:
    code = "import sys, dockbox.client.commands as _; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"flask", "gevent", "gunicorn", "sqlalchemy", "docker"}
