"""``python -m dockbox connect`` and ``create``, in a real terminal and in scripts."""

from __future__ import annotations

import hashlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from ..support.callers import Caller, make_callers
from ..support.engine import Engine
from ..support.processes import free_port
from ..support.relay import Relay
from ..support.run import Run
from ..support.server import Server
from ..support.site import Site
from ..support.traces import nothing_left
from ..support.user import User, script, started
from ..support.waiting import eventually

SETTINGS = {"auth": "token", "idle_timeout": 600}


@pytest.fixture(scope="module")
def people(module_server: Server) -> list[Caller]:
    """Two users and an admin, each with a token of the server."""
    return make_callers(module_server)


@pytest.fixture
def ann(people: list[Caller]) -> Caller:
    return people[0]


@pytest.fixture
def source(site: Site) -> str:
    return site.repository("project", {"main.py": "print('hello')\n"})


@pytest.fixture
def box(shared: Server, ann: Caller, source: str) -> Iterator[str]:
    id = ann.create(source)
    yield id
    ann.call("DELETE", f"/v1/dockbox/{id}")


class Connect(Protocol):
    def __call__(self, server: str = "", box: str = "", token: str = "") -> User: ...


@pytest.fixture
def connect(run: Run, shared: Server, ann: Caller, box: str) -> Iterator[Connect]:
    """Runs ``connect`` in a terminal; by default with all that is right."""
    users: list[User] = []
    right = box

    def connect(server: str = "", box: str = "", token: str = "") -> User:
        words = ("connect", server or shared.url, box or right)
        users.append(User(run, *words, DOCKBOX_TOKEN=token or ann.text))
        return users[-1]

    yield connect
    for user in users:
        user.close()


# --- a terminal in a terminal -------------------------------------------------------------


def test_what_is_typed_goes_to_the_shell_and_its_size_is_the_terminals(connect: Connect) -> None:
    user = connect().ready()
    assert user.raw
    user.process.setwinsize(33, 111)
    user.run("until [ \"$(stty size)\" = '33 111' ]; do sleep .1; done")
    user.type("sh -c \"echo re''ady; exec sleep 100\"\r")
    user.see("ready")  # said by what Ctrl-Z is to stop: the shell itself takes no notice of it
    user.type("\x1a")  # Ctrl-Z
    user.see("Stopped")
    assert user.run("printf %s ü") == "ü"


def test_a_tilde_at_the_beginning_of_a_line_is_for_the_client(connect: Connect) -> None:
    user = connect().ready()
    user.type("~?")
    user.see("~. leaves")
    user.type("~~\x7fecho a~.b\r")
    user.see("a~.b\r\na~.b\r\n")
    user.type("~.")
    user.ends(0)


@pytest.mark.parametrize("way", [signal.SIGHUP, "~."])
def test_it_ends_even_while_nobody_reads_and_the_terminal_is_as_before(
    connect: Connect, way: signal.Signals | str
) -> None:
    user = connect().ready()
    user.type("yes\r")
    user.see("y\r\n")  # from now on nothing is read, and the terminal fills up
    eventually(lambda: _full(user), what="a full terminal")
    if isinstance(way, str):
        user.type(f"\r{way}")
    else:
        user.kill(way)
    eventually(lambda: not user.raw, what="the terminal as before")
    if isinstance(way, str):
        user.ends(0)
    else:
        assert f"Ended by {way.name}." in user.ends(128 + way)


def _full(user: User) -> bool:
    """Whether the client waits for its terminal."""
    before = user.written()
    time.sleep(0.1)
    return user.written() == before


def test_a_connection_that_breaks_is_made_again_to_the_same_shell(
    connect: Connect, shared: Server
) -> None:
    relay = Relay(shared.port)
    user = connect(server=f"http://127.0.0.1:{relay.port}").ready()
    user.run("kept=once")
    with relay.cut():
        user.see("The connection broke. Connecting again in 0 s; ~. leaves.")
        user.see("cannot be reached. Connecting again in")
        user.type("touch lost\r")
    user.see("\x1bc")  # what follows is the recent output, sent again
    assert user.run("echo $kept; ls") == "once\nmain.py\n"
    with relay.cut():
        user.see("Connecting again")
        user.type("\r~.")
        user.ends(0)
    relay.close()


def test_after_a_restart_of_the_server_the_same_shell_is_there(
    connect: Connect, shared: Server
) -> None:
    user = connect().ready()
    user.run("kept=twice")
    shared.restart()
    user.see("The server is going away. Connecting again")

    def answers() -> bool:  # it may have come to a worker that was just about to go away, too
        user.type("echo $kept\r")
        try:
            user.see("twice\r\n", timeout=2)
        except AssertionError:
            return False
        return True

    eventually(answers, 20, "the same shell")


def test_it_ends_with_the_dockbox_and_says_why(connect: Connect, ann: Caller, box: str) -> None:
    user = connect().ready()
    assert ann.call("POST", f"/v1/dockbox/{box}/stop").ok
    assert "Error: The dockbox was stopped." in user.ends(3)
    user = connect().ready()
    assert ann.call("DELETE", f"/v1/dockbox/{box}").ok
    assert "Error: The dockbox was deleted." in user.ends(3)


def test_what_cannot_be_connected_to_is_told(connect: Connect, people: list[Caller]) -> None:
    bob = people[1].text
    dead = f"http://127.0.0.1:{free_port()}"
    for user, code, why in [
        (connect(server=dead), 1, f"Error: {dead} cannot be reached."),
        (connect(box="nothing"), 1, "Error: There is no such dockbox."),
        (connect(token=bob), 1, "Error: There is no such dockbox."),
        (connect(token="dbx_wrong"), 4, "Error: A valid token is needed."),
    ]:
        assert why in user.ends(code)


# --- in scripts ---------------------------------------------------------------------------


def test_a_pipe_is_typed_and_its_end_leaves_once_all_is_done(
    run: Run, shared: Server, ann: Caller, box: str
) -> None:
    words = ("connect", shared.url, box, "--linger", "4")  # or a pause of a second is the end
    done = script(run, *words, typed=b"echo $((6 * 7))\n", DOCKBOX_TOKEN=ann.text)
    assert (b"\n42\r\n" in done.stdout, done.stderr) == (True, b"")


def test_a_pipe_may_carry_more_than_anybody_buffers_both_ways(
    run: Run, shared: Server, ann: Caller, box: str
) -> None:
    lines = b"".join(b"%061d\n" % number for number in range(40_000))
    typed = b"stty raw -echo; tee big\n" + lines  # all of it comes back
    words = (shared.url, box, "--linger", "600")  # how long it takes must not matter
    with started(run, "connect", *words, typed=typed, DOCKBOX_TOKEN=ann.text) as process:
        big = shared.mount / box / "big"
        eventually(lambda: big.exists() and big.stat().st_size >= len(lines), 60, "all of it")
        process.terminate()
        assert process.wait(10) == 128 + signal.SIGTERM
    assert hashlib.sha256(big.read_bytes()).digest() == hashlib.sha256(lines).digest()


def test_the_token_may_be_in_a_file(
    run: Run, shared: Server, ann: Caller, box: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    words = ("connect", shared.url, box, "--token-file", str(file))
    file.write_text(f"{ann.text}\n")
    script(run, *words, "--linger", "0.1")
    file.write_text("dbx_wrong\n")
    said = script(run, *words, code=4)
    assert said.stderr == b"Error: A valid token is needed.\n"


# --- create -------------------------------------------------------------------------------


def test_create_draws_a_bar_and_connects(
    run: Run, shared: Server, ann: Caller, source: str
) -> None:
    words = ("create", shared.url, source, "--name", "mine", "--connect")
    user = User(run, *words, DOCKBOX_TOKEN=ann.text)
    user.see("\r\x1b[K")
    assert "main.py" in user.ready().run("ls")
    user.type("~.")
    user.ends(0)
    assert ann.call("DELETE", "/v1/dockbox/mine").status_code == 204


def test_create_prints_its_name_or_json_and_the_steps_beside(
    run: Run, shared: Server, ann: Caller, source: str
) -> None:
    words, token = ("create", shared.url, source), {"DOCKBOX_TOKEN": ann.text}
    made = script(run, *words, "--name", "mine", "--idle-timeout", "7", **token)
    assert made.stdout == b"mine\n"
    assert b"Creating container\n" in made.stderr
    box = ann.call("GET", "/v1/dockbox/mine").json()
    assert box["idle_timeout"] == 7
    taken = script(run, *words, "--name", "mine", code=1, **token)
    assert taken.stderr == b"Error: Another dockbox has this name.\n"
    ann.call("DELETE", "/v1/dockbox/mine")


def test_a_create_that_fails_says_why_and_leaves_nothing(
    run: Run, shared: Server, ann: Caller, source: str, engine: Engine
) -> None:
    words = ("create", shared.url, source, "--ref", "nowhere", "--json")
    failed = script(run, *words, code=1, DOCKBOX_TOKEN=ann.text)
    assert failed.stdout == b"" and b"Error: " in failed.stderr and b"nowhere" in failed.stderr
    nothing_left(shared, engine)


def test_a_create_that_is_interrupted_goes_on(
    run: Run, shared: Server, ann: Caller, source: str, site: Site
) -> None:
    with site.shut():
        user = User(run, "create", shared.url, source, "--name", "slow", DOCKBOX_TOKEN=ann.text)
        eventually(lambda: ann.call("GET", "/v1/dockbox/slow").ok)
        user.see("\r\x1b[K")
        user.kill(signal.SIGINT)
        assert "It is being created all the same: slow" in user.ends(130)
    eventually(lambda: ann.call("GET", "/v1/dockbox/slow").json()["state"] == "stopped", 20)
    ann.call("DELETE", "/v1/dockbox/slow")
