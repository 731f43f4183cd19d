"""The API of a dockbox's files, with a container at work on the same files."""

from __future__ import annotations

import hashlib
import http.client
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from ...support.server import Server
from .calls import MB, SETTINGS, put

__all__ = ["SETTINGS"]


# --- both sides -----------------------------------------------------------------------------


def test_what_is_uploaded_is_the_containers_and_what_it_makes_can_be_had(
    shared: Server, box: str, at: str
) -> None:
    data = os.urandom(MB)
    answer = put(shared, f"{at}/deep/er/data.bin", data)
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{shared.url}{at}/deep/er/data.bin"
    with shared.connect(box) as terminal:
        said = terminal.run("cd deep/er && sha256sum data.bin && echo more >> data.bin", 30)
        assert said.split()[0] == hashlib.sha256(data).hexdigest()
        terminal.run("mkdir made && echo hi > made/file && chmod +x made/file", 30)
        assert shared.get(f"{at}/deep/er/data.bin").content == data + b"more\n"
        assert put(shared, f"{at}/deep/er/made/file", b"echo new\n").status_code == 204
        assert terminal.run("made/file; rm made/file data.bin", 30) == "new\n"
        assert shared.delete(f"{at}/deep").status_code == 204
        assert terminal.run("cd /app; ls", 30) == "main.py\n"


def test_it_works_in_a_stopped_dockbox_and_ends_with_it(shared: Server, box: str, at: str) -> None:
    assert shared.box(box)["state"] == "stopped"
    assert put(shared, f"{at}/x", b"1").status_code == 201
    assert shared.get(f"{at}/x").content == b"1"
    name = shared.box(box)["custom_id"]
    assert shared.get(f"/v1/dockbox/{name}/files/x").content == b"1"
    shared.delete(f"/v1/dockbox/{box}")
    for method in ("GET", "PUT", "DELETE"):
        answer = shared.request(method, f"{at}/x")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


# --- folders --------------------------------------------------------------------------------


def test_a_folder_tells_what_it_holds(shared: Server, at: str, app: Path) -> None:
    (app / "folder").mkdir()
    (app / "run me").write_bytes(b"12345")
    (app / "run me").chmod(0o755)
    (app / "link").symlink_to("/etc/passwd")
    os.mkfifo(app / "fifo")
    os.utime(app / "main.py", (0, 1_700_000_000.5))
    answer = shared.get(at)
    assert answer.json() == shared.get(f"{at}/").json()
    body = answer.json()
    assert (body["path"], body["type"], body["next"], body["truncated"]) == (
        "", "folder", None, False,
    )  # fmt: skip
    items = {item["name"]: item for item in body["items"]}
    assert list(items) == [".git", "folder", "fifo", "link", "main.py", "run me"]
    assert items["main.py"] == {
        "name": "main.py", "path": "main.py", "type": "file", "size": 15,
        "modified": "2023-11-14T22:13:20.500Z", "executable": False,
    }  # fmt: skip
    assert items["run me"]["executable"] is True and items["run me"]["path"] == "run%20me"
    assert items["link"]["type"] == "link" and items["link"]["target"] == "/etc/passwd"
    assert items["fifo"]["type"] == "other" and items["folder"]["type"] == "folder"
    assert shared.get(f"{at}/folder/").json()["path"] == "folder"
    assert shared.get(f"{at}/nothing").json()["code"] == "no_such_file"
    assert shared.get(f"{at}/main.py/").status_code == 404
    assert shared.get(f"{at}/main.py/x").status_code == 404


def test_a_large_folder_comes_in_pages(shared: Server, at: str, app: Path) -> None:
    many = app / "many"
    many.mkdir()
    for number in range(700):
        (many / f"f{number:03}").touch()
        if number % 10 == 0:
            (many / f"d{number:03}").mkdir()
    seen, after = [], ""
    while True:
        page = shared.get(f"{at}/many?limit=100{after}").json()
        assert len(page["items"]) <= 100
        seen += [item["name"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    names = sorted(os.listdir(many))
    assert seen == names  # folders begin with d
    assert len(shared.get(f"{at}/many").json()["items"]) == 200
    for query in ("limit=0", "limit=501", "limit=x", "after=!", "after=AgI", "after=A", "limit=²"):
        assert shared.get(f"{at}/many?{query}").status_code == 400


def test_a_folder_is_made_with_all_above_it(shared: Server, box: str, at: str, app: Path) -> None:
    assert put(shared, f"{at}/one/two/").status_code == 201
    assert put(shared, f"{at}/one/two/").status_code == 204
    assert put(shared, f"{at}/one/", **{"If-None-Match": "*"}).status_code == 412
    for folder in (app / "one", app / "one/two"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o2775
    assert put(shared, f"{at}/main.py/").status_code == 409
    assert put(shared, f"{at}/main.py/x/").status_code == 409


# --- downloads ------------------------------------------------------------------------------


def test_a_file_comes_whole_in_part_or_not_at_all(shared: Server, at: str, app: Path) -> None:
    data = os.urandom(500_000)
    (app / "data").write_bytes(data)
    whole = shared.get(f"{at}/data")
    assert whole.content == data and whole.headers["Content-Length"] == "500000"
    assert whole.headers["Content-Type"] == "application/octet-stream"
    assert whole.headers["Content-Disposition"] == "attachment; filename*=UTF-8''data"
    head = shared.request("HEAD", f"{at}/data")
    assert head.content == b"" and head.headers["Content-Length"] == "500000"
    etag, modified = whole.headers["ETag"], whole.headers["Last-Modified"]
    for wanted, got, told in (
        ("bytes=0-9", data[:10], "bytes 0-9/500000"),
        ("bytes=499990-", data[-10:], "bytes 499990-499999/500000"),
        ("bytes=-5", data[-5:], "bytes 499995-499999/500000"),
        ("bytes=100000-999999", data[100_000:], "bytes 100000-499999/500000"),
    ):
        part = shared.get(f"{at}/data", headers={"Range": wanted, "If-Range": etag})
        assert (part.status_code, part.headers["Content-Range"]) == (206, told)
        assert part.content == got
    past = shared.get(f"{at}/data", headers={"Range": "bytes=500000-"})
    assert (past.status_code, past.headers["Content-Range"]) == (416, "bytes */500000")
    assert past.json()["code"] == "range_not_satisfiable"
    for ignored in (
        {"Range": "bytes=0-1,3-4"}, {"Range": "lines=1-2"}, {"Range": "bytes=x"},
        {"Range": "bytes=0-1", "If-Range": '"other"'},
    ):  # fmt: skip
        assert shared.get(f"{at}/data", headers=ignored).content == data
    for condition in ({"If-None-Match": etag}, {"If-Modified-Since": modified}):
        answer = shared.get(f"{at}/data", headers=condition)
        assert (answer.status_code, answer.content) == (304, b"")
    (app / "data").write_bytes(data[1:])
    assert shared.get(f"{at}/data", headers={"If-None-Match": etag}).content == data[1:]
    (app / "empty").touch()
    assert shared.get(f"{at}/empty").content == b""
    assert shared.get(f"{at}/empty", headers={"Range": "bytes=0-"}).status_code == 416


def test_a_file_that_grows_ends_at_the_length_that_was_told(
    shared: Server, at: str, app: Path
) -> None:
    """And one that becomes shorter does not pass for whole."""
    size = 40 * MB  # more than fits between server and client
    for name, then in (("grows", 2 * size), ("shrinks", 100)):
        with open(app / name, "wb") as file:
            file.truncate(size)
        connection = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=30)
        connection.request("GET", f"{at}/{name}")
        answer = connection.getresponse()
        os.truncate(app / name, then)
        if name == "grows":
            assert len(answer.read()) == size
            connection.request("GET", "/health")  # the connection goes on
            assert connection.getresponse().read() == b"Server Functional!"
        else:
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                answer.read()
        connection.close()


# --- the rest -------------------------------------------------------------------------------


def test_removing_takes_folders_and_never_app_itself(shared: Server, at: str, app: Path) -> None:
    (app / "sub/sub").mkdir(parents=True)
    (app / "sub/sub/file").touch()
    assert shared.delete(f"{at}/").status_code == 400
    assert shared.delete(at).status_code == 405
    assert shared.delete(f"{at}/sub").status_code == 204
    answer = shared.delete(f"{at}/sub")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_file")
    assert shared.delete(f"{at}/main.py").status_code == 204
    assert os.listdir(app) == [".git"]


def test_a_dockbox_that_has_no_files_yet_says_so(shared: Server, site: Any) -> None:
    with site.shut():
        answer = shared.post(
            "/v1/dockbox", json={"url": f"{site.url}/slow.git"}, headers={"Prefer": "respond-async"}
        )
        assert answer.status_code == 202
        for method in ("GET", "PUT", "DELETE"):
            refused = shared.request(method, f"/v1/dockbox/{answer.json()['id']}/files/x")
            assert (refused.status_code, refused.json()["code"]) == (409, "conflict")


def test_the_audit_trail_has_who_took_and_gave_what(shared: Server, at: str, box: str) -> None:
    put(shared, f"{at}/audited%0A.txt", b"12")
    shared.get(f"{at}/audited%0A.txt")
    shared.delete(f"{at}/audited%0A.txt")
    lines = [line for line in shared.log().splitlines() if "audited%0A.txt" in line]
    assert [event in line for event, line in zip(
        ("upload", "download", "remove file"), lines, strict=True
    )] == [True] * 3  # fmt: skip
    assert all(box in line and "127.0.0.1" in line for line in lines)
