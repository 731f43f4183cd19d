"""Several clients on one shell, and what a newcomer sees."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from ..support.internals import connect_elsewhere, on_two_workers
from ..support.rawmode import digest, pattern, raw, read_exactly
from ..support.server import Server
from ..support.shared import new_box
from ..support.site import Site
from ..support.terminal import Terminal
from ..support.waiting import eventually

SETTINGS = {"idle_timeout": 600}


@pytest.fixture
def server(shared: Server) -> Server:
    return shared


# --- together ---------------------------------------------------------------------------------


def test_two_clients_see_the_same_and_both_may_type(server: Server, box: str) -> None:
    with server.connect(box) as one, server.connect(box) as two:
        assert one.run("answer=42; echo one") == "one\n"
        assert two.run('echo "two [$answer]"') == "two [42]\n"
        assert b"two [42]" in one.read_until(b"two [42]\r\n")
        command, wanted = pattern(200_000)
        with ThreadPoolExecutor() as pool, raw(one, command):  # who did not read would be dropped
            too = pool.submit(two.read_until, b"\n199999\n200000\n", 60)
            assert digest(read_exactly(one, len(wanted))) == digest(wanted)
            too.result()
        assert two.run("echo both") == "both\n"


def test_clients_of_two_workers_share_the_shell(server: Server, box: str) -> None:
    with on_two_workers(server, box) as (one, two):
        one.run("answer=42")
        assert two.run('echo "[$answer]"') == "[42]\n"
        command, wanted = pattern(200_000)
        with ThreadPoolExecutor() as pool, raw(two, command):
            too = pool.submit(one.read_until, b"\n199999\n200000\n", 60)
            assert digest(read_exactly(two, len(wanted))) == digest(wanted)
            too.result()


# --- the recent output ------------------------------------------------------------------------


def seen(terminal: Terminal, end: bytes) -> str:
    """What a person sees of the output up to ``end``: without colours and line ends."""
    output = terminal.read_until(end).decode(errors="replace")
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", output)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_newcomer_sees_the_recent_output_and_the_prompt(
    server: Server, box: str, elsewhere: bool
) -> None:
    with server.connect(box, "rows=24&cols=80") as first:
        first.run("PS1='[prompt]# '; echo earlier")
        first.send(b"# unfini")
        first.read_until(b"# unfini")
        size = "rows=24&cols=80"
        if elsewhere:
            newcomer = connect_elsewhere(server, box, first, size)
        else:
            newcomer = server.connect(box, size)
        with newcomer:
            shown = seen(newcomer, b"[prompt]# # unfini")
            assert shown.count("\nearlier\n") == 1, shown
            newcomer.send(b"shed\r")
            newcomer.read_until(b"[prompt]# ")
            assert newcomer.run("echo here") == "here\n"


def test_a_replay_asks_the_newcomers_terminal_nothing(server: Server, box: str) -> None:
    queries = r"\033[c\033[6n\033]11;?\007\033P+q544e\033\\\005"
    with server.connect(box) as first:
        first.send(f"printf 'a>{queries}<z\\n'\r".encode())
        assert b"a>\x1b[c\x1b[6n\x1b]11;?\x07\x1bP+q544e\x1b\\\x05<z" in first.read_until(b"<z\r\n")
        with server.connect(box) as newcomer:
            newcomer.read_until(b"a><z\r\n")


def test_a_newcomer_in_a_flood_sees_every_line_from_some_line_on(server: Server, box: str) -> None:
    last = 2_000_000
    with (
        server.connect(box) as first,
        raw(first, f"seq {last} | cat"),
        ThreadPoolExecutor() as pool,
    ):
        first.read_until(b"\n10000\n")
        newcomers = [server.connect(box) for _ in range(3)]
        newcomers.append(connect_elsewhere(server, box, first))
        end = b"\n%d\n" % last
        for whole in pool.map(lambda one: one.read_until(end, 60), (first, *newcomers)):
            numbers = [int(line) for line in whole.split(b"\n")[1:-1] if line.isdigit()]
            assert len(numbers) > 100 and numbers[-1] == last
            start = numbers[0]
            assert numbers == list(range(start, last + 1))


@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
@pytest.mark.parametrize("how", ["restart", "kill"])
def test_the_recent_output_is_there_after_the_servers_restart(
    make_server: Callable[..., Server], site: Site, how: str
) -> None:
    server = make_server(idle_timeout=60)
    id = new_box(server, site)
    with server.connect(id) as terminal:
        terminal.run("echo before")
        if how == "restart":
            server.stop()
            assert terminal.close_code()[0] == 1001
        else:
            server.kill()
            assert terminal.close_code()[0] == 1006
    server.start()
    with server.connect(id, "rows=30&cols=90") as terminal:
        assert seen(terminal, b"\nbefore\r\n").count("before\n") == 1
        terminal.read_until(b"# ")
        # for a moment another one, to have the prompt drawn
        eventually(lambda: terminal.run("stty size") == "30 90\n", 10, "the right size")
