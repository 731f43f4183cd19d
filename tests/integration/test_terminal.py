"""From the handshake to the shell, and a shell that is there again whatever happens."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from ..support import images
from ..support.engine import Engine
from ..support.registry import Registry
from ..support.server import Server
from ..support.shared import new_box
from ..support.site import Site
from ..support.terminal import Terminal
from ..support.throttle import Throttle
from ..support.waiting import eventually

PROMPT = {images.BASH: b"# ", images.SH: b"/app # "}
UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip
NOBODY = "/v1/dockbox/ws/00000000-0000-4000-8000-000000000000"


# --- the shell --------------------------------------------------------------------------------


@pytest.mark.parametrize("image", [images.BASH, images.SH])
def test_the_shell_is_the_images_own_and_is_in_app(shared: Server, site: Site, image: str) -> None:
    id = new_box(shared, site, image)
    with shared.connect(id) as terminal:
        assert terminal.socket.getstatus() == 101
        terminal.read_until(PROMPT[image])
        found = terminal.run("pwd; ls; readlink /proc/$$/exe; tty")
    shell = {images.BASH: "/bin/bash", images.SH: "/bin/busybox"}[image]
    assert found == f"/app\nmain.py\n{shell}\n/dev/pts/0\n"
    assert shared.box(id)["state"] == "running"


def test_the_first_prompt_is_never_missed(shared: Server, box: str) -> None:
    with shared.connect(box) as terminal:
        terminal.run("""echo 'PS1="<$(cat /app/round)># "' > /root/.bashrc""")
    for number in range(6):
        shared.post(f"/v1/dockbox/{box}/stop")
        (shared.mount / box / "round").write_text(f"round-{number}")
        with shared.connect(box) as terminal:
            terminal.read_until(f"<round-{number}># ".encode(), 20)


@pytest.mark.parametrize("image", [images.BASH, images.SH])
def test_the_shell_comes_back_however_it_ends(shared: Server, site: Site, image: str) -> None:
    id = new_box(shared, site, image)
    before = shared.box(id)["container_id"]
    with shared.connect(id) as terminal:
        for ending in (b"exit\r", b"\x04", b"exit 3\r", b"kill -9 $$\r", b"exec false\r"):
            terminal.run("answer=42; cd /tmp")
            terminal.read_until(b"# ")  # what ends a shell is lost before it reads
            terminal.send(ending)
            assert terminal.run('echo "[$answer] $(pwd)"', 20) == "[] /app\n", ending
    assert shared.box(id)["container_id"] == before


def quiet(terminal: Terminal) -> None:
    """Wait until the shell has nothing more to say.

    A signal that came just before bash waits for a key is noticed, and discards it, when there is
    one: so that is Enter, and not the first of a command.
    """
    terminal.send(b"\r")
    while terminal.read_for(1):
        pass


@pytest.mark.parametrize("image", [images.BASH, images.SH])
def test_ctrl_c_ends_the_job_and_neither_shell_nor_box(
    shared: Server, engine: Engine, site: Site, image: str
) -> None:
    id = new_box(shared, site, image)
    with shared.connect(id) as terminal:
        terminal.run("answer=42")
        for key in (b"\x03", b"\x1c"):
            terminal.send(b"cat main.py -\r")
            terminal.read_until(b"print('hello')\r\n")
            terminal.send(key)
            terminal.read_until(PROMPT[image])
            assert terminal.run('echo "[$answer]"') == "[42]\n"
        for _ in range(20):
            terminal.send(b"\x03")
        quiet(terminal)  # each one discards what was typed and not read yet
        assert terminal.run('echo "[$answer]"') == "[42]\n"
        for _ in range(10):
            terminal.send(b"exit 3\r")
            terminal.read_until(b"exit 3\r\n")
            terminal.send(b"\x03" * 20)  # between two shells, too
            quiet(terminal)
            if terminal.run('echo "[$answer]"', 20) == "[]\n":
                break  # else the "exit" was discarded: typed, and not read yet
        else:
            pytest.fail("the shell did not end")
    container = engine.client().containers.get(shared.box(id)["container_id"])
    assert (container.status, container.attrs["RestartCount"]) == ("running", 0)


# --- refused before the upgrade ---------------------------------------------------------------


def refusal(server: Server, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status and code of an error, which is JSON with one sentence."""
    answer = server.get(path, headers=headers)
    assert answer.headers["Content-Type"] == "application/json", answer.text
    body: dict[str, Any] = answer.json()
    assert set(body) == {"error", "code"} and body["error"].endswith(".")
    return answer.status_code, body["code"]


@pytest.mark.parametrize(
    "key", ["00000000-0000-4000-8000-000000000000", "nobody", "%00", "a%2Fb", "%C3%A9", "'--"]
)
def test_an_unknown_dockbox_is_a_404(shared: Server, key: str) -> None:
    assert refusal(shared, f"/v1/dockbox/ws/{key}", UPGRADE)[0] == 404


def test_what_is_refused_is_refused_before_the_upgrade(shared: Server, box: str) -> None:
    path = f"/v1/dockbox/ws/{box}"
    queries = ["rows=x&cols=80", "rows=24", "cols=80", "rows=0&cols=80", "rows=24&cols=-1"]
    queries += ["rows=24&cols=99999", "rows=1e3&cols=80", "rows=24.5&cols=80", "rows=&cols=80"]
    for query in queries:
        assert refusal(shared, f"{path}?{query}", UPGRADE) == (400, "bad_request"), query
    foreign = {"Origin": "https://evil.example"}
    assert refusal(shared, path, {**UPGRADE, **foreign}) == (403, "origin_not_allowed")
    assert refusal(shared, path, {**UPGRADE, "Origin": "null"}) == (403, "origin_not_allowed")
    assert refusal(shared, NOBODY, {**UPGRADE, **foreign})[0] == 403
    assert refusal(shared, path, {})[0] == 400
    for name in ("Sec-WebSocket-Key", "Sec-WebSocket-Version", "Upgrade", "Connection"):
        rest = {other: value for other, value in UPGRADE.items() if other != name}
        assert refusal(shared, path, rest)[0] == 400, name
    for version in ("", "12", "thirteen"):
        assert refusal(shared, path, {**UPGRADE, "Sec-WebSocket-Version": version})[0] == 400
    found = shared.box(box)
    assert (found["state"], found["connections"]) == ("stopped", 0)


def test_compression_is_not_agreed_to(shared: Server, box: str) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    with shared.connect(box, headers=[offer]) as terminal:
        assert "sec-websocket-extensions" not in terminal.socket.getheaders()
        assert terminal.run("echo plain") == "plain\n"


def test_a_page_of_the_servers_own_may_connect(shared: Server, box: str) -> None:
    with shared.connect(box, origin=shared.url) as terminal:
        assert terminal.run("echo hello") == "hello\n"


# --- whatever state the dockbox is in -----------------------------------------------------------


def test_a_stopped_box_starts_for_whoever_knows_its_name(server: Server, site: Site) -> None:
    url = site.repository("project", {"main.py": "1"})
    id = server.create(url, name="my-box")["id"]
    with server.connect("my-box") as terminal:
        terminal.run("echo kept > /app/note; answer=42")
        server.post("/v1/dockbox/my-box/stop")
        assert terminal.close_code()[0] == 1000
    assert server.box(id)["state"] == "stopped"
    with server.connect("my-box") as terminal:
        assert terminal.run('cat note; echo "[$answer]"') == "kept\n[]\n"
        assert server.box(id)["state"] == "running"
        eventually(lambda: server.box(id)["connections"] == 1, 10, "only the new one")


def test_a_container_that_vanished_is_made_again_with_its_files(
    server: Server, engine: Engine, site: Site
) -> None:
    id = new_box(server, site)
    for number in range(2):
        terminal = server.connect(id)
        terminal.run(f"echo {number} >> /app/note")
        before = server.box(id)["container_id"]
        if number:
            terminal.close()
        engine.client().api.remove_container(before, force=True)
        if not number:
            assert terminal.close_code() in [
                (1011, "The container was removed."),
                (1011, "The container ended with code 137."),  # seen before the removal's end
            ]
            terminal.close()
        with server.connect(id) as terminal:
            terminal.read_until(b"# ")
            assert terminal.run("cat /app/note").split()[-1] == str(number)
            after = server.box(id)["container_id"]
            assert after != before
            assert engine.client().containers.get(after).status == "running"


# --- while it is being created ------------------------------------------------------------------


def begin(server: Server, url: str, **body: object) -> str:
    answer = server.post(
        "/v1/dockbox", json={"url": url, **body}, headers={"Prefer": "respond-async"}
    )
    assert answer.status_code == 202
    return str(answer.json()["id"])


def test_who_comes_too_early_sees_the_progress_and_then_the_shell(
    server: Server, site: Site
) -> None:
    url = site.repository("project", {"main.py": "1"})
    with site.shut():
        id = begin(server, url)
        early = [server.connect(id) for _ in range(6)]
        early[0].send(b"echo ear''ly\r")
        for terminal in early:
            terminal.read_until("…".encode(), 30)
    for terminal in early:
        shown = terminal.read_until(b"early\r\n", 30)
        _, cleared, shell = shown.rpartition(b"\r\x1b[K")
        assert cleared and "…".encode() not in shell, "the shell begins on a clear line"
    assert early[5].run("ls") == "main.py\n"
    assert server.box(id)["connections"] == 6
    for terminal in early:
        terminal.close()


def test_the_pull_of_an_image_is_shown(
    shared: Server, engine: Engine, registry: Registry, site: Site
) -> None:
    made = engine.import_image("dockbox-test/large:1", images.SH, {"noise": os.urandom(2**20)})
    image = registry.push(engine.client(), made)
    engine.client().images.remove(made)
    throttle = Throttle(registry.address, most=2**19)
    image = image.replace(registry.address, throttle.netloc)
    id = begin(shared, site.repository("project", {"main.py": "1"}), image=image)
    with shared.connect(id) as terminal:
        terminal.read_until("Pulling image …".encode(), 60)
        throttle.let_go()
        terminal.read_until(b"/app # ", 60)
        assert terminal.run("wc -c < /noise") == f"{2**20}\n"
    throttle.cut()


def test_who_comes_too_early_is_told_why_it_failed(server: Server, site: Site) -> None:
    with site.shut():
        id = begin(server, f"{site.url}/nothing.git")
        early: list[Terminal] = [server.connect(id) for _ in range(4)]
        for terminal in early:
            terminal.read_until("…".encode(), 30)
    for terminal in early:
        code, reason = terminal.close_code(60)
        assert code == 1011
        failed = server.wait_state(id, "failed")
        assert reason == failed["error"][: len(reason)] and reason
        assert terminal.buffer.decode().endswith(f"\r\x1b[K{failed['error']}\r\n")
    began = time.monotonic()
    with server.connect(id) as late:
        assert late.close_code()[0] == 1011
        assert failed["error"].encode() in late.buffer
    assert time.monotonic() - began < 10
    eventually(lambda: server.box(id)["connections"] == 0, 10, "nobody there")
