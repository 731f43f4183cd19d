"""The user's commands before they reach a server, and as a room of their own."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from click.testing import CliRunner

from dockbox.client.api import Server, parse, reason
from dockbox.client.commands import main
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
