"""ttyd's protocol, and the size of a terminal that several clients look at."""

from __future__ import annotations

import json

import pytest

from ..support.internals import connect_elsewhere
from ..support.rawmode import digest
from ..support.server import Server
from ..support.site import Site
from ..support.terminal import Terminal
from ..support.waiting import eventually

STALL = 2  # seconds, STALL_TIMEOUT of the server here
SETTINGS = {"stall_timeout": STALL, "idle_timeout": 600}


@pytest.fixture
def server(shared: Server) -> Server:
    return shared


class Tty:
    """A client of ttyd's: every message has a letter first; ``others`` are those that are not
    output."""

    def __init__(self, server: Server, id: str, hello: str | None) -> None:
        self.terminal = server.connect(id, subprotocols=["tty"])
        self.others: list[bytes] = []
        receive = self.terminal.receive

        def output(timeout: float) -> bytes:
            while (message := receive(timeout))[:1] != b"0":
                self.others.append(message)
            return message[1:]

        self.terminal.receive = output  # type: ignore[method-assign]
        send = self.terminal.send
        self.say = send
        self.terminal.send = lambda data: send(b"0" + _bytes(data))  # type: ignore[method-assign]
        if hello is not None:
            send(hello)

    def resize(self, rows: object, columns: object) -> None:
        self.say("1" + json.dumps({"rows": rows, "columns": columns}))


def _bytes(data: bytes | str) -> bytes:
    return data if isinstance(data, bytes) else data.encode()


def hello(rows: object, columns: object) -> str:
    return json.dumps({"AuthToken": "", "rows": rows, "columns": columns})


def has_size(terminal: Terminal, size: str) -> None:
    eventually(lambda: terminal.run("stty size") == f"{size}\n", 10, f"a terminal of {size}")


def test_a_client_of_ttyds_gets_a_shell_of_its_size(server: Server, box: str) -> None:
    client = Tty(server, box, hello(33, 101))
    assert client.terminal.socket.getsubprotocol() == "tty"
    has_size(client.terminal, "33 101")
    assert client.others == [b"1dockbox", b"2{}"]
    client.resize(20, 60)
    has_size(client.terminal, "20 60")
    assert client.terminal.run("ls") == "main.py\n"


def test_a_hello_in_a_binary_message_and_without_a_token_will_do(server: Server, box: str) -> None:
    client = Tty(server, box, None)
    client.say(b'{"columns": 70, "rows": 25}')
    has_size(client.terminal, "25 70")


def test_without_a_hello_there_is_no_shell(server: Server, box: str) -> None:
    client = Tty(server, box, None)
    with pytest.raises(TimeoutError):
        client.terminal.receive(1)
    assert server.box(box)["state"] == "stopped"
    client.say(hello(24, 80))
    assert client.terminal.run("echo now") == "now\n"


@pytest.mark.parametrize("first", ["", "0ls\r", "[]", "null", "{", "\x00", "7", "[" * 100_000])
def test_a_first_message_that_is_no_hello_is_1008(server: Server, box: str, first: str) -> None:
    client = Tty(server, box, first)
    assert client.terminal.close_code() == (1008, "The first message must be JSON.")
    assert server.box(box)["state"] == "stopped"


def test_other_messages_are_ignored(server: Server, box: str) -> None:
    client = Tty(server, box, hello("x", None))
    client.terminal.run("stty rows 24 cols 80")
    for message in ("", "1", "1{", "1[]", "1null", "1" + "[" * 100_000, "9", "x", "é", "{}"):
        client.say(message)
    for value in (0, -1, 10**9, 10**400, 2.5, True, "24", None, [24], {}):
        client.resize(value, 80)
        client.resize(24, value)
    has_size(client.terminal, "24 80")


def test_paused_output_waits_and_nothing_of_it_is_lost(server: Server, box: str) -> None:
    client = Tty(server, box, hello(24, 80))
    client.terminal.run("true")
    client.say("2")
    client.terminal.send(b"stty -echo -opost; seq 20000 | cat; printf 'e''nd'; stty sane\r")
    eventually(lambda: not client.terminal.read_for(0.5), 10, "silence")
    client.say("3")
    shown = client.terminal.read_until(b"end")
    wanted = b"".join(b"%d\n" % number for number in range(1, 20001)) + b"end"
    assert digest(shown[shown.index(b"1\n2\n3\n") :]) == digest(wanted)


def test_who_pauses_for_ever_is_1013_and_the_others_go_on(server: Server, box: str) -> None:
    paused = Tty(server, box, hello(24, 80))
    paused.terminal.run("true")
    paused.say("2")
    with server.connect(box) as other:
        other.send(b"seq 1000000 | cat\r")
        other.read_until(b"\n999999\r\n1000000\r\n", 60)
        assert other.run("echo on") == "on\n"
    assert paused.terminal.close_code() == (1013, "The output was not read. Connect again.")


def test_the_terminal_fits_the_smallest_of_those_that_told_a_size(server: Server, box: str) -> None:
    large = Tty(server, box, hello(60, 200))
    has_size(large.terminal, "60 200")
    with server.connect(box) as silent:
        has_size(silent, "60 200")
        low = connect_elsewhere(server, box, large.terminal, "rows=20&cols=300")
        narrow = Tty(server, box, hello(90, 40))
        has_size(silent, "20 40")
        low.close()
        has_size(silent, "60 40")
        narrow.resize(50, 210)
        has_size(silent, "50 200")
        large.terminal.vanish()
        has_size(silent, "50 210")
        narrow.terminal.close()
        assert silent.run("stty size") == "50 210\n"  # nobody is left who has told one


def test_the_resize_call_and_the_url_tell_a_raw_clients_size(server: Server, box: str) -> None:
    with server.connect(box, "rows=31&cols=99") as terminal:
        has_size(terminal, "31 99")
        answer = server.post(f"/v1/dockbox/{box}/resize", json={"rows": 22, "cols": 77})
        assert answer.status_code == 204
        has_size(terminal, "22 77")


def test_progress_is_output_too(server: Server, site: Site) -> None:
    url = site.repository("slow", {"a.py": "1"})
    with site.shut():
        answer = server.post("/v1/dockbox", json={"url": url}, headers={"Prefer": "respond-async"})
        client = Tty(server, answer.json()["id"], hello(24, 80))
        client.terminal.read_until("…".encode(), 30)
    client.terminal.read_until(b"# ", 30)
    has_size(client.terminal, "24 80")
