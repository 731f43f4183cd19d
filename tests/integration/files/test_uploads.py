"""Uploads: whole or not at all, bounded, and nothing left of those that break off."""

from __future__ import annotations

import os
import socket
import sqlite3
import stat
from pathlib import Path

import pytest

from ...support.internals import open_files
from ...support.run import ROOT
from ...support.server import Server
from ...support.waiting import eventually
from .calls import MB, SETTINGS, pieces, put

__all__ = ["SETTINGS"]


def test_an_upload_replaces_a_file_and_keeps_its_permissions(
    shared: Server, at: str, app: Path
) -> None:
    (app / "script").write_bytes(b"old")
    (app / "script").chmod(0o4755)
    os.link(app / "script", app / "other name")
    assert put(shared, f"{at}/script", b"new", **{"If-None-Match": "*"}).status_code == 412
    assert (app / "script").read_bytes() == b"old"
    assert put(shared, f"{at}/script", pieces(200_000)).status_code == 204
    assert (app / "script").read_bytes() == b"x" * 200_000
    assert stat.S_IMODE((app / "script").stat().st_mode) == 0o775
    assert (app / "other name").read_bytes() == b"old"
    assert put(shared, f"{at}/fresh", b"", **{"If-None-Match": "*"}).status_code == 201
    assert stat.S_IMODE((app / "fresh").stat().st_mode) == 0o664
    assert sorted(os.listdir(app)) == [".git", "fresh", "main.py", "other name", "script"]
    assert put(shared, f"{at}/.git", b"x").status_code == 409
    assert put(shared, f"{at}/fresh/below", b"x").status_code == 409
    for header in ({"If-None-Match": '"x"'}, {"If-Match": "*"}, {"Content-Range": "bytes 0-1/2"}):
        assert put(shared, f"{at}/fresh", b"", **header).status_code == 400


def test_an_upload_has_a_bound_whether_it_tells_its_length_or_not(
    shared: Server, at: str, app: Path
) -> None:
    for data in (b"x" * (3 * MB + 1), pieces(3 * MB + 1)):
        answer = put(shared, f"{at}/new/large", data)
        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert not (app / "new").exists()
    for data in (b"x" * 3 * MB, pieces(3 * MB)):
        assert put(shared, f"{at}/new/large", data).status_code in (201, 204)
    assert (app / "new/large").stat().st_size == 3 * MB


@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_an_upload_that_breaks_off_leaves_nothing(
    shared: Server, at: str, app: Path, framing: str
) -> None:
    (app / "kept").write_bytes(b"old")
    before = sorted(os.listdir(app))
    for name in ("kept", "new/folder/file"):
        with socket.create_connection(("127.0.0.1", shared.port), 10) as client:
            data = b"x" * 100_000
            head = f"PUT {at}/{name} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n".encode()
            client.sendall(head + (b"186a0\r\n" if "chunked" in framing else b"") + data)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(1000)
        assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert sorted(os.listdir(app)) == before and (app / "kept").read_bytes() == b"old"


def test_a_server_that_is_killed_leaves_nothing_of_an_upload(
    shared: Server, at: str, app: Path
) -> None:
    before = sorted(os.listdir(app))
    with socket.create_connection(("127.0.0.1", shared.port), 10) as client:
        head = f"PUT {at}/new/file HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n"
        client.sendall(head.encode() + b"x" * 200_000)
        worker = shared.worker_pids()[0]

        def begun() -> bool:
            return any(path.startswith(str(app)) for path in open_files(worker))

        eventually(begun, 10, "the upload's file")
        assert sorted(os.listdir(app)) == before
        shared.kill_worker(worker)
        eventually(lambda: worker not in shared.worker_pids(), 10, "the worker's end")
    assert sorted(os.listdir(app)) == before
    eventually(lambda: shared.get(at).ok, 20, "another worker")


def test_what_the_dockbox_may_hold_bounds_uploads_too(shared: Server, at: str, app: Path) -> None:
    with open(app / "filler", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 198 * MB)
    assert put(shared, f"{at}/a", b"x" * MB).status_code == 201
    for data in (b"x" * 2 * MB, b"x" * 2 * MB):
        answer = put(shared, f"{at}/b", data)
        assert (answer.status_code, answer.json()["code"]) == (507, "no_room")
    assert put(shared, f"{at}/b", pieces(2 * MB)).status_code == 413
    assert shared.delete(f"{at}/filler").status_code == 204
    assert put(shared, f"{at}/b", b"x" * 2 * MB).status_code == 201


def test_a_dockbox_that_was_stopped_for_what_it_holds_takes_no_uploads(
    shared: Server, box: str, at: str
) -> None:
    with sqlite3.connect(ROOT / "instance" / f"{shared.settings['DATABASE_NAME']}.db") as db:
        db.execute("UPDATE dockboxes SET disk_bytes = ? WHERE id = ?", (201 * MB, box))
    db.close()
    for path in ("a", "folder/"):
        answer = put(shared, f"{at}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (507, "no_room")
    assert shared.delete(f"{at}/main.py").status_code == 204
