"""The API of files against a dockbox that wants the server to read and write elsewhere."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from ..support.callers import Caller
from ..support.server import Server
from ..support.site import Site
from ..support.swapping import Swapper

SETTINGS = {"auth": "token", "idle_timeout": 600, "web_concurrency": 1}
SECRET = b"the server's secret"
ROUNDS = 300


@pytest.fixture
def ann(callers: list[Caller]) -> Caller:
    return callers[0]


@pytest.fixture
def box(ann: Caller, site: Site) -> str:
    return ann.create(site.repository("project", {"main.py": "print('hello')\n"}))


@pytest.fixture
def at(box: str) -> str:
    return f"/v1/dockbox/{box}/files"


@pytest.fixture
def app(shared: Server, box: str) -> Path:
    return shared.mount / box


@pytest.fixture
def canary(shared: Server, tmp_path: Path) -> Iterator[Path]:
    """A folder of the server's machine, outside of every dockbox, that must stay as it is."""
    folder = tmp_path / "canary"
    (folder / "inner").mkdir(parents=True)
    for name in ("0.rb", "secret", "inner/secret"):
        (folder / name).write_bytes(SECRET)
    before = picture(folder)
    yield folder
    assert picture(folder) == before


def picture(folder: Path) -> list[tuple[str, int, bytes]]:
    return [
        (str(path), path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *sorted(folder.rglob("*"))]
    ]


def put(ann: Caller, path: str, data: bytes = b"evil") -> Any:
    return ann.call("PUT", path, data=data)


def raw(ann: Caller, target: bytes, method: bytes = b"GET", body: bytes = b"") -> tuple[int, bytes]:
    """Status and answer for exactly these bytes as the address, which clients would tidy up."""
    with socket.create_connection(("127.0.0.1", ann.server.port), 30) as client:
        client.sendall(
            b"%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
            % (method, target, ann.text.encode(), len(body), body)
        )
        answer = b""
        while data := client.recv(65536):
            answer += data
    return int(answer.split(b" ", 2)[1]), answer


# --- who ------------------------------------------------------------------------------------


def test_files_are_for_the_token_of_the_dockbox_and_not_for_shares(
    callers: list[Caller], box: str, at: str, app: Path
) -> None:
    ann, bob, root = callers
    made = ann.call("POST", f"/v1/dockbox/{box}/shares", json={"kind": "type"}).json()
    guest = Caller(ann.server, made["secret"])
    for path in ("", "/main.py"):
        assert ann.server.get(at + path).status_code == 401
        assert bob.call("GET", at + path).status_code == 404
        assert guest.call("GET", at + path).status_code == 403
        assert root.call("GET", at + path).status_code == 200
    for method in ("PUT", "DELETE"):
        assert ann.server.request(method, f"{at}/main.py").status_code == 401
        assert bob.call(method, f"{at}/main.py").status_code == 404
        assert guest.call(method, f"{at}/main.py").status_code == 403
    assert (app / "main.py").read_bytes() == b"print('hello')\n"


def test_another_sites_page_uploads_nothing_with_a_users_cookie(
    ann: Caller, at: str, app: Path
) -> None:
    log_in = ann.server.post("/v1/session", json={"token": ann.text})
    for origin in ({"Origin": "https://evil.example"}, {}):
        for method in ("PUT", "DELETE"):
            answer = ann.server.request(
                method, f"{at}/main.py", headers=origin, cookies=log_in.cookies
            )
            assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert (app / "main.py").read_bytes() == b"print('hello')\n"


# --- links ----------------------------------------------------------------------------------


def test_links_are_shown_and_removed_and_never_followed(
    ann: Caller, at: str, app: Path, canary: Path
) -> None:
    (app / "file").symlink_to(canary / "secret")
    (app / "folder").symlink_to(canary)
    (app / "near").symlink_to("main.py")
    (app / "up").symlink_to("..")
    (app / "dangling").symlink_to(canary / "made")
    for path in ("file", "folder", "folder/", "folder/secret", "folder/inner/secret", "near", "up",
                 "up/x", "dangling"):  # fmt: skip
        answer = ann.call("GET", f"{at}/{path}")
        assert (path, answer.status_code) == (path, 403)
        assert answer.json()["code"] == "link_not_followed" and SECRET not in answer.content
        assert (path, put(ann, f"{at}/{path}").status_code) == (path, 403)
    for path in ("folder/new", "folder/new/", "folder/inner/new", "up/new", "folder/new/er/"):
        assert (path, put(ann, f"{at}/{path}").status_code) == (path, 403)
    for path in ("folder/secret", "folder/inner", "up/x"):
        assert (path, ann.call("DELETE", f"{at}/{path}").status_code) == (path, 403)
    assert not (canary / "made").exists() and (app / "dangling").is_symlink()
    for path in ("file", "folder/", "near", "up", "dangling"):
        assert ann.call("DELETE", f"{at}/{path}").status_code == 204
    assert sorted(os.listdir(app)) == [".git", "main.py"]


@pytest.fixture
def swapped(app: Path, canary: Path) -> Iterator[Swapper]:
    """Folders of the dockbox that are links to the canary half of the time."""
    swapper = Swapper(app / "tree", canary)
    swapper.start()
    yield swapper
    swapper.stop()


def test_reading_is_never_led_out_by_a_folder_that_becomes_a_link(
    ann: Caller, at: str, swapped: Swapper
) -> None:
    seen = set()
    for _ in range(ROUNDS):
        for path in ("a/0.rb", "top/b/0.rb", "top/below/c/0.rb"):
            answer = ann.call("GET", f"{at}/tree/{path}")
            seen.add(answer.status_code)
            assert answer.status_code == 403 or answer.content == b"x", answer.text
        listed = ann.call("GET", f"{at}/tree/a").text
        assert "secret" not in listed
    assert seen == {200, 403}  # both were met


def test_writing_and_removing_are_never_led_out_by_a_folder_that_becomes_a_link(
    ann: Caller, at: str, swapped: Swapper
) -> None:
    seen = set()
    for number in range(ROUNDS):
        seen.add(put(ann, f"{at}/tree/a/secret").status_code)
        seen.add(put(ann, f"{at}/tree/top/b/new-{number}/file").status_code)
        seen.add(ann.call("DELETE", f"{at}/tree/a/secret").status_code)
        seen.add(ann.call("DELETE", f"{at}/tree/top/below/c/inner").status_code)
    assert {201, 204, 403} <= seen <= {201, 204, 403, 404, 409}


def test_removing_a_folder_never_removes_what_a_link_leads_to(
    ann: Caller, at: str, app: Path, canary: Path
) -> None:
    for number in range(10):
        swapper = Swapper(app / f"tree-{number}", canary)
        swapper.start()
        try:
            assert ann.call("DELETE", f"{at}/tree-{number}").status_code in (204, 403)
        finally:
            swapper.stop()
        assert ann.call("DELETE", f"{at}/tree-{number}").status_code in (204, 404)


# --- addresses, raw on the wire -------------------------------------------------------------


@pytest.mark.parametrize(
    "tail",
    [
        b"/../canary", b"/..", b"/../../etc/passwd", b"/x/../../../etc/passwd", b"/%2e%2e/x",
        b"/%2E%2e%2fx", b"/..%2f..%2fetc%2fpasswd", b"/./main.py", b"/%2e/main.py", b"//main.py",
        b"//etc/passwd", b"/%2fetc/passwd", b"/.git//config", b"/main.py//", b"/main.py%00",
        b"/%00", b"/main.py%00.txt", b"/.git/..", b"/%2e%2e%00/x",
    ],
)  # fmt: skip
def test_an_address_that_is_no_way_down_is_refused(
    ann: Caller, at: str, app: Path, shared: Server, tail: bytes
) -> None:
    before = sorted(os.listdir(shared.mount)), sorted(os.listdir(app))
    for method in (b"GET", b"PUT", b"DELETE"):
        status, answer = raw(ann, at.encode() + tail, method, b"evil" * (method == b"PUT"))
        assert status == 400 and b'"code":"bad_request"' in answer and b"root:" not in answer
    assert (sorted(os.listdir(shared.mount)), sorted(os.listdir(app))) == before


def test_a_slash_that_is_encoded_is_a_slash(ann: Caller, at: str, app: Path) -> None:
    (app / "sub").mkdir()
    (app / "sub/file").write_bytes(b"inner")
    assert raw(ann, f"{at}/sub%2Ffile".encode())[1].endswith(b"inner")
    # what is encoded twice is a name with a percent sign
    assert raw(ann, f"{at}/%252e%252e/file".encode(), b"PUT", b"x")[0] == 201
    assert (app / "%2e%2e/file").read_bytes() == b"x"
    assert raw(ann, f"{at}/a%5c..%5cb".encode(), b"PUT", b"x")[0] == 201
    assert (app / "a\\..\\b").exists()


def test_names_of_any_bytes_can_be_used(ann: Caller, at: str, app: Path) -> None:
    names = [
        b"\xff\xfe.txt", b"a\nb", b"\x1b[2J", b"-rf", b" ", b"<b>&\"'", "ünï🐳".encode(), b"%41",
        b"?a=b#c", b"\xed\xa0\x80", b"x" * 255, b"\xe2\x80\xae.txt", b"...", b"\x7f;\\:*|",
    ]  # fmt: skip
    for name in names:
        target = at.encode() + b"/odd/" + b"".join(b"%%%02x" % byte for byte in name)
        assert raw(ann, target, b"PUT", name)[0] == 201
    assert sorted(os.listdir(os.fsencode(app / "odd"))) == sorted(names)
    items = ann.call("GET", f"{at}/odd").json()["items"]
    assert {unquote_to_bytes(item["path"]) for item in items} == {b"odd/" + n for n in names}
    for item in items:
        assert item["path"].isascii() and item["name"].encode()
        status, answer = raw(ann, f"{at}/{item['path']}".encode())
        head, _, content = answer.partition(b"\r\n\r\n")
        assert status == 200 and content == unquote_to_bytes(item["path"]).removeprefix(b"odd/")
        said = [line for line in head.split(b"\r\n") if b"isposition" in line]
        assert len(said) == 1 and said[0].startswith(b"Content-Disposition: attachment; filename*")
        assert raw(ann, f"{at}/{item['path']}".encode(), b"DELETE")[0] == 204
    assert os.listdir(app / "odd") == []


def test_names_and_ways_that_are_too_long_are_refused(ann: Caller, at: str, app: Path) -> None:
    for method in ("GET", "PUT", "DELETE"):
        answer = ann.call(method, f"{at}/{'x' * 256}")
        assert (method, answer.status_code) == (method, 400)
    deep = "/".join(["d"] * 1900)
    assert put(ann, f"{at}/{deep}/file").status_code == 201
    assert ann.call("GET", f"{at}/{deep}/file").content == b"evil"
    assert raw(ann, f"{at}/{deep}/{deep}".encode())[0] in (400, 414)
    assert ann.call("DELETE", f"{at}/d").status_code == 204
    assert not (app / "d").exists()


# --- what is no file ------------------------------------------------------------------------


def test_fifos_sockets_and_devices_are_never_opened(ann: Caller, at: str, app: Path) -> None:
    os.mkfifo(app / "fifo")
    os.mknod(app / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(os.path.relpath(app / "socket"))  # short enough
    for name in ("fifo", "zero", "socket"):
        answer = ann.call("GET", f"{at}/{name}", timeout=10)
        assert (name, answer.status_code, answer.json()["code"]) == (name, 403, "forbidden")
        assert (name, put(ann, f"{at}/{name}").status_code) == (name, 403)
        assert ann.call("GET", f"{at}/{name}/x", timeout=10).status_code == 404
    types = {item["name"]: item["type"] for item in ann.call("GET", at).json()["items"]}
    assert [types[name] for name in ("fifo", "zero", "socket")] == ["other"] * 3
    for name in ("fifo", "zero", "socket"):
        assert ann.call("DELETE", f"{at}/{name}").status_code == 204


HOLD = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
import signal; signal.signal(signal.SIGIO, signal.SIG_IGN)
print("held", flush=True); sys.stdin.read()
"""


def test_a_file_that_a_program_holds_makes_nobody_wait(ann: Caller, at: str, app: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(app / "main.py")]
    with subprocess.Popen(command, stdin=-1, stdout=-1) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        answer = ann.call("GET", f"{at}/main.py", timeout=20)
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert answer.headers["Retry-After"] == "5"
        holder.kill()


# --- browsers -------------------------------------------------------------------------------

PAGE = b"<!DOCTYPE html><script>alert(document.domain)</script>"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.html", PAGE), ("x.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'),
        ("x.xml", b"<?xml version='1.0'?><x/>"), ("x.js", b"alert(1)"), ("x.pdf", b"%PDF-1.4"),
        ("x.html%0d%0aContent-Type: text%2fhtml", PAGE), ("x.txt", PAGE), ("x.css", b"a{}"),
        ("utf16.txt", b"\xff\xfe<\0s\0>\0"), ("x.png", b"\x89PNG\r\n\x1a\n"),
    ],
)  # fmt: skip
def test_a_browser_runs_nothing_of_a_file(ann: Caller, at: str, name: str, content: bytes) -> None:
    assert put(ann, f"{at}/{name}", content).status_code == 201
    for query in ("", "?view=1", "?view=text/html"):
        answer = ann.call("GET", f"{at}/{name}{query}")
        kind, how = answer.headers["Content-Type"], answer.headers["Content-Disposition"]
        if query == "?view=1" and kind != "application/octet-stream":
            assert kind == "text/plain; charset=utf-8" and how.startswith("inline; filename*=")
            content.decode()
        else:
            assert kind == "application/octet-stream" and how.startswith("attachment; ")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "public" not in answer.headers["Cache-Control"]
        assert answer.content == content


# --- bounds ---------------------------------------------------------------------------------


def test_so_many_downloads_of_a_dockbox_that_nobody_reads_are_bounded(
    ann: Caller, at: str, app: Path
) -> None:
    with open(app / "large", "wb") as file:
        file.truncate(1 << 30)
    head = f"GET {at}/large HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Authorization: Bearer {ann.text}\r\n\r\n"
    clients = []
    try:
        for _ in range(16):
            client = socket.create_connection(("127.0.0.1", ann.server.port), 30)
            clients.append(client)
            client.sendall(head.encode())
            assert client.recv(12) == b"HTTP/1.1 200"
        answer = ann.call("GET", f"{at}/main.py")
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
        assert answer.headers["Retry-After"]
        memory = Path(f"/proc/{ann.server.worker_pids()[0]}/status").read_text()
        resident = int(memory.split("VmRSS:")[1].split()[0])
        assert resident < 400_000  # kB, of files of 16 GiB
    finally:
        for client in clients:
            client.close()
