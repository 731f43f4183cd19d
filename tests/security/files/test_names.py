"""Addresses and names, raw on the wire, that want to lead the API of files elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from ...support.callers import Caller
from ...support.server import Server
from .calls import SETTINGS, put, raw

__all__ = ["SETTINGS"]


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
