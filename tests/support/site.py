"""A loopback server: files, redirects and git repositories through the real git http-backend."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

USER, PASSWORD = "me", "s3cret"  # for everything below /private


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    server: Any

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        site: Site = self.server.site
        path, _, query = self.path.partition("?")
        site.requests.append(f"{self.command} {self.path}")
        time.sleep(site.delay)
        site.open.wait(60)
        wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
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
    """Serves ``files`` and ``redirects`` by path, and the repositories below ``repos``."""

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self.repos = folder / "repos"
        self.repos.mkdir(parents=True)
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.requests: list[str] = []
        self.delay = 0.0  # seconds before each answer
        self.open = threading.Event()
        self.open.set()
        self.server = ThreadingHTTPServer((address, 0), Handler)
        self.server.site = self  # type: ignore[attr-defined]
        self.netloc = f"{address}:{self.server.server_port}"
        self.url = f"http://{self.netloc}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @contextlib.contextmanager
    def shut(self) -> Iterator[None]:
        """Answers nobody until the block's end: what is fetched now is not there before."""
        self.open.clear()
        try:
            yield
        finally:
            self.open.set()

    def repository(self, name: str, files: Mapping[str, str | bytes]) -> str:
        """Commit ``files`` to the repository ``name``, made if new; returns its URL."""
        work = self.repos / f"{name}.git"
        if not work.exists():
            work.mkdir(parents=True)
            git(work, "init", "-q", ".")
        for path, content in files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            (work / path).write_bytes(data)
        git(work, "add", "--all", ".")
        git(work, "commit", "-qm", "files", "--allow-empty")
        return f"{self.url}/{name}.git"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def git(where: Path, *args: str) -> str:
    """Run git with an identity of its own, default branch ``trunk``; returns what it printed."""
    who = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "init.defaultBranch=trunk"]
    command = ["git", *who, *args]
    return subprocess.run(command, cwd=where, check=True, capture_output=True, text=True).stdout
