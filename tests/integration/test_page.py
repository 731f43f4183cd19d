"""The web page's files, as HTTP sends them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
import requests

from dockbox.assets import FOLDER, Assets

from ..support.server import Server

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ASSET = re.compile(r'(?:href|src)="(/static/[^"]+)"')


def page(server: Server, path: str = "/") -> requests.Response:
    answer: requests.Response = server.get(path, headers=HTML)
    return answer


def policy(server: Server) -> dict[str, str]:
    told = page(server).headers["Content-Security-Policy"]
    return dict((f"{rule} ").split(" ", 1) for rule in told.split("; "))


def test_a_browser_gets_the_page_and_others_the_greeting(shared: Server) -> None:
    assert page(shared).headers["Content-Type"] == "text/html; charset=utf-8"
    for accept in ("*/*", "application/json", "text/plain"):
        answer = shared.get("/", headers={"Accept": accept})
        assert answer.json() == {"message": "Hello from dockbox API"}
        assert "Accept" in answer.headers["Vary"]


def test_a_browser_gets_the_page_at_a_dockboxs_address(shared: Server) -> None:
    # whether there is such a dockbox, the page asks with the rights of who looks at it
    assert page(shared, "/any-name").headers["Content-Type"] == "text/html; charset=utf-8"
    other = shared.get("/any-name")
    assert (other.status_code, other.json()["code"]) == (404, "not_found")
    for path in ("/health", "/v1/dockbox", "/v1/session"):
        assert "text/html" not in page(shared, path).headers["Content-Type"]


@pytest.mark.parametrize("path", ["/", "/any-name"])
def test_all_that_the_page_names_may_be_kept_for_ever(shared: Server, path: str) -> None:
    named = ASSET.findall(page(shared, path).text)
    assert len(named) > 8
    for one in named:
        answer = shared.get(one)
        assert answer.status_code == 200, one
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert any("terminal.js" in one for one in named) is (path != "/")


def test_a_module_is_loaded_before_it_is_asked_for(shared: Server) -> None:
    """What a module imports is in the page already: no round trip for each step."""
    text = page(shared, "/any-name").text
    for name in ("boot.js", "app.js", "dom.js", "terminal/socket.js", "vendor/xterm.mjs"):
        assert f'rel="modulepreload" href="/static/{Assets().version}/{name}"' in text
    assert "addon-webgl" not in text


def test_files_are_sent_compressed_to_who_takes_that(shared: Server) -> None:
    path = f"/static/{Assets().version}/vendor/xterm.mjs"
    packed = shared.get(path, headers={"Accept-Encoding": "gzip"}, stream=True)
    plain = shared.get(path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert gzip.decompress(packed.raw.read()) == plain.content
    assert int(packed.headers["Content-Length"]) < len(plain.content) / 3
    packed.close()


def test_a_file_of_another_version_is_not_kept(shared: Server) -> None:
    answer = shared.get("/static/0123456789abcdef/app.js")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


@pytest.mark.parametrize(
    "name",
    ["../assets.py", "%2e%2e/assets.py", "..%2fassets.py", "index.html", "vendor/.stamp", ""],
)
def test_nothing_but_the_pages_files_is_served(shared: Server, name: str) -> None:
    session = requests.Session()
    url = f"{shared.url}/static/{Assets().version}/{name}"
    prepared = session.prepare_request(requests.Request("GET", url))
    prepared.url = url  # as it is: the library would make the path plain
    with session, session.send(prepared, timeout=10) as answer:
        assert answer.status_code == 404


def test_the_badge_may_be_shown_by_other_sites(shared: Server) -> None:
    answer = shared.get("/badge.svg")
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"] == "public, max-age=86400"


def test_the_pages_policy_lets_in_nothing_of_others(shared: Server) -> None:
    rules = policy(shared)
    assert rules["default-src"].strip() == "'none'"
    assert rules["script-src"].strip() == rules["connect-src"].strip() == "'self'"
    for one in ("base-uri", "form-action", "frame-ancestors", "trusted-types"):
        assert rules[one].strip() == "'none'"
    assert "<script>" not in page(shared).text
    assert not re.search(r"\son\w+=", page(shared).text)


def test_the_version_changes_with_any_file(tmp_path: Path) -> None:
    for file in (*FOLDER.glob("*.*"), FOLDER / "views" / "start.js"):
        copy = tmp_path / file.relative_to(FOLDER)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(file.read_bytes())
    before = Assets(tmp_path).version
    assert Assets(tmp_path).version == before
    (tmp_path / "views" / "start.js").write_text("// other\n")
    assert Assets(tmp_path).version != before
