"""A loopback server: files, redirects and git repositories through the real git http-backend."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dockbox.sources import Fetched, Limits, Policy, Progress, fetch, parse

LOOPBACK = Policy(("127.0.0.1/32",))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    server: Any

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        site: Site = self.server.site
        path, _, query = self.path.partition("?")
        wanted = base64.b64encode(b"me:s3cret").decode()
        for prefix, target in site.redirects.items():
            if path.startswith(prefix):
                self.send_response(302)
                suffix = path[len(prefix) :] + (f"?{query}" if query else "")
                self.send_header("Location", target + suffix)
                self.end_headers()
                return
        if path.startswith("/private/"):
            if self.headers.get("Authorization") != f"Basic {wanted}":
                self.send_error(401)
                return
            path = path.removeprefix("/private")
        if path in site.files:
            self.send_response(200)
            self.send_header("Content-Length", str(len(site.files[path])))
            self.end_headers()
            self.wfile.write(site.files[path])
            return
        self.backend(site.repos, path, query)

    do_POST = do_GET

    def backend(self, root: Path, path: str, query: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        env = {
            **os.environ, "GIT_PROJECT_ROOT": str(root), "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "CONTENT_LENGTH": str(len(body)),
        }  # fmt: skip
        done = subprocess.run(
            ["git", "http-backend"], check=False, input=body, env=env, capture_output=True
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line]
        status = next((value for name, value in lines if name == "Status"), "200 OK")
        self.send_response(int(status[:3]))
        for name, value in lines:
            if name != "Status":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


class Site:
    def __init__(self, folder: Path) -> None:
        self.repos, self.out = folder / "repos", folder / "out"
        self.repos.mkdir()
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.steps: list[Progress] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.site = self  # type: ignore[attr-defined]
        self.netloc = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def fetch(self, path: str, user: str = "", policy: Policy = LOOPBACK, **kw: Any) -> Fetched:
        limits = kw.pop("limits", Limits(20, 10_000_000, 1000))
        progress = kw.pop("progress", self.steps.append)
        source = parse(f"http://{user}{self.netloc}{path}", **kw)
        return fetch(source, self.out, limits, policy, progress)

    def left(self) -> list[str]:
        return sorted(entry.name for entry in self.out.parent.iterdir() if entry != self.repos)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.server.shutdown()
    site.server.server_close()
