"""nginx with the configuration that is in ``deploy/``, at a port of the tests' own."""

from __future__ import annotations

import re
import signal
import ssl
import subprocess

import requests

from .api import Api
from .certificates import Authority
from .processes import end, free_port, launch, program
from .run import ROOT, Run
from .waiting import eventually

# What Debian's own nginx.conf and its folders are, as far as it matters.
AROUND = """
daemon off;
pid {folder}/pid;
error_log stderr;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    access_log {folder}/plain.log;
    include {folder}/site.conf;
}}
"""


class Nginx(Api):
    """Before the server at the port ``behind``; its clients trust its certificate."""

    def __init__(self, run: Run, behind: int) -> None:
        self._run = run
        self._folder = run.folder / f"nginx-{behind}"
        self._folder.mkdir()
        authority = Authority(self._folder / "authority")
        super().__init__(free_port(), str(authority.certificate))
        self.plain = Api(free_port())  # without TLS
        self.access_log = self._folder / "access.log"
        certificate = authority.issue("server", "serverAuth")
        config = (ROOT / "deploy/nginx.conf").read_text()
        for ours, tests in {
            "server 127.0.0.1:8000;": f"server 127.0.0.1:{behind};",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "listen 80;": f"listen 127.0.0.1:{self.plain.port};",
            "/etc/nginx/tls/fullchain.pem": f"{certificate}/cert.pem",
            "/etc/nginx/tls/privkey.pem": f"{certificate}/key.pem",
            "/var/log/nginx/access.log": str(self.access_log),
        }.items():
            assert config.count(ours) == 1, ours
            config = config.replace(ours, tests)
        config = re.sub(r"^ *listen \[::\].*\n", "", config, flags=re.MULTILINE)
        (self._folder / "site.conf").write_text(config)
        (self._folder / "nginx.conf").write_text(AROUND.format(folder=self._folder))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = self._folder / "log"
        command = [program("nginx", "nginx-light"), "-c", f"{self._folder}/nginx.conf"]
        self._process = launch(
            [*command, "-e", "stderr"], log, self._run.environment(), self._folder
        )

        def answers() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"nginx ended at once:\n{log.read_text()}")
            try:
                return bool(self.get("/health", timeout=5).status_code)
            except requests.ConnectionError:
                return False

        eventually(answers, 20, "an answer of nginx")

    def close(self) -> None:
        self.hang_up()
        if self._process:
            end(self._process, signal.SIGTERM, 10)
            self._process = None

    def context(self) -> ssl.SSLContext:
        """What trusts its certificate."""
        return ssl.create_default_context(cafile=self.authority)
