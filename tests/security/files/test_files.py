"""Who may use the API of files, what is no file, and what a browser and a slow reader do."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ...support.callers import Caller
from .calls import SETTINGS, put

__all__ = ["SETTINGS"]


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
